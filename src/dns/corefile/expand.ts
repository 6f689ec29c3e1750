import { globSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { isBrace, lex, type Token } from './lexer.ts';
import { CorefileError } from './position.ts';

/** Files and snippets in one another; deeper is a circle. */
const IMPORT_DEPTH_MAX = 20;
/** All words after every import; snippets that import others twice grow fast. */
const EXPANDED_TOKENS_MAX = 200_000;

/** In backquotes, or it would look like a module's own. */
const DIRECTIVE = `import`;

/** A file that was read: its text decides whether anything changed. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Where imports and variables come from. */
export interface ExpandOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Files are added as they are read. */
  readonly sources: Source[];
}

/**
 * Puts the words of snippets and files in the place of `import NAME` and `import FILE` (one `*` may
 * stand for several files), and values in the place of `{$NAME}` and `{%NAME%}`; a variable that is
 * not set is empty. A path is relative to the file that names it. Throws CorefileError.
 */
export function expand(tokens: readonly Token[], options: ExpandOptions): Token[] {
  const snippets = new Map<string, readonly Token[]>();
  const result: Token[] = [];
  const add = (list: readonly Token[], depth: number): void => {
    for (let at = 0; at < list.length; at += 1) {
      const token = list[at];
      if (token === undefined) break;
      const isFirst = list[at - 1]?.line !== token.line || isBrace(list[at - 1], '{');
      if (isFirst && /^\(.+\)$/.test(token.text) && isBrace(list[at + 1], '{') && !token.isQuoted) {
        at = define(list, at);
      } else if (isFirst && token.text === DIRECTIVE && !token.isQuoted) {
        if (depth >= IMPORT_DEPTH_MAX) {
          throw new CorefileError(token, `import: more than ${IMPORT_DEPTH_MAX} imports deep`);
        }
        const argument = argumentOf(list, at);
        const name = replaceVariables(argument.text, options.environment);
        const snippet = snippets.get(name);
        if (snippet !== undefined) add(snippet, depth + 1);
        else for (const file of readAll(argument, name, options)) add(file, depth + 1);
        at += 1;
      } else {
        result.push({ ...token, text: replaceVariables(token.text, options.environment) });
        if (result.length > EXPANDED_TOKENS_MAX) {
          throw new CorefileError(token, `expected at most ${EXPANDED_TOKENS_MAX} words in all`);
        }
      }
    }
  };
  /** Keeps the snippet at `start` and gives the index of its closing brace. */
  const define = (list: readonly Token[], start: number): number => {
    const name = list[start];
    let depth = 0;
    for (let at = start + 1; at < list.length; at += 1) {
      if (isBrace(list[at], '{')) depth += 1;
      if (isBrace(list[at], '}')) depth -= 1;
      if (depth > 0 || name === undefined) continue;
      const text = name.text.slice(1, -1);
      if (snippets.has(text)) throw new CorefileError(name, `snippet "${text}" is there twice`);
      snippets.set(text, list.slice(start + 2, at));
      return at;
    }
    throw new CorefileError(list[start + 1] ?? startOf(list), 'a "{" that is not closed');
  };
  add(tokens, 0);
  return result;
}

function startOf(list: readonly Token[]): Token {
  return list[0] ?? { file: '', line: 1, column: 1, text: '', isQuoted: false };
}

function argumentOf(list: readonly Token[], at: number): Token {
  const [directive, argument, extra] = list.slice(at, at + 3);
  if (directive === undefined || argument === undefined || argument.line !== directive.line) {
    throw new CorefileError(directive ?? startOf(list), 'import: expected a snippet or a file');
  }
  if (argument.text === '') throw new CorefileError(argument, 'import: expected a name, got ""');
  if (extra !== undefined && extra.line === directive.line && !isBrace(extra, '}')) {
    throw new CorefileError(extra, `import: expected one name, got "${extra.text}" as well`);
  }
  return argument;
}

function readAll(argument: Token, name: string, options: ExpandOptions): Token[][] {
  const path = isAbsolute(name) ? name : join(dirname(argument.file), name);
  const isPattern = path.includes('*') || path.includes('?');
  if ((path.match(/[*?]/g) ?? []).length > 1) {
    throw new CorefileError(argument, `import: expected at most one "*" or "?", got "${name}"`);
  }
  // A pattern that fits nothing is an empty folder; a file that is named must be there.
  const paths = isPattern ? globSync(path).sort() : [path];
  return paths.map((file) => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new CorefileError(
        argument,
        `import: neither a snippet "${name}" nor a file that can be read: ${(error as Error).message}`,
      );
    }
    options.sources.push({ path: file, text });
    return lex(file, text);
  });
}

function replaceVariables(text: string, environment: ExpandOptions['environment']): string {
  if (!text.includes('{$') && !text.includes('{%')) return text;
  return text
    .replace(/\{%([^{}%]+)%\}/g, (_, name: string) => environment[name] ?? '')
    .replace(/\{\$([^{}]+)\}/g, (_, name: string) => environment[name] ?? '');
}
