import { CorefileError, type Position } from './position.ts';

/** What an honest Corefile never reaches. */
const FILE_LENGTH_MAX = 4 << 20;
const TOKENS_MAX = 100_000;

/** One word of a Corefile. */
export interface Token extends Position {
  readonly text: string;
  /** Whether it stood in quotes: then a brace is only a brace. */
  readonly isQuoted: boolean;
}

/** Whether the token opens or closes a block. */
export function isBrace(token: Token | undefined, brace: '{' | '}'): boolean {
  return token !== undefined && !token.isQuoted && token.text === brace;
}

/**
 * Splits a Corefile into words: whitespace parts them, `"` holds them together over lines (with `\"`
 * for the quote itself), `#` begins a comment anywhere outside of quotes. Throws CorefileError.
 */
export function lex(file: string, text: string): Token[] {
  const start = { file, line: 1, column: 1 };
  if (text.length > FILE_LENGTH_MAX) {
    throw new CorefileError(start, `expected at most ${FILE_LENGTH_MAX} characters`);
  }
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  let at = text.startsWith('\ufeff') ? 1 : 0;
  const here = (): Position => ({ file, line, column: at - lineStart + 1 });
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '\n') {
      at += 1;
      line += 1;
      lineStart = at;
    } else if (/\s/.test(char)) {
      at += 1;
    } else if (char === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (char === '"') {
      const position = here();
      let value = '';
      at += 1;
      for (;;) {
        const next = text[at];
        if (next === undefined) throw new CorefileError(position, 'a quote that is not closed');
        at += 1;
        if (next === '"') break;
        if (next === '\\' && text[at] === '"') {
          value += '"';
          at += 1;
          continue;
        }
        if (next === '\n') {
          line += 1;
          lineStart = at;
        }
        value += next;
      }
      tokens.push({ ...position, text: value, isQuoted: true });
    } else {
      const position = here();
      const from = at;
      while (at < text.length && !/[\s#]/.test(text[at] ?? '')) at += 1;
      tokens.push({ ...position, text: text.slice(from, at), isQuoted: false });
    }
    if (tokens.length > TOKENS_MAX) {
      throw new CorefileError(here(), `expected at most ${TOKENS_MAX} words`);
    }
  }
  return tokens;
}
