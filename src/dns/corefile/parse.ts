import { readFileSync } from 'node:fs';
import { expand, type Source } from './expand.ts';
import { isBrace, lex, type Token } from './lexer.ts';
import { CorefileError } from './position.ts';
import { parseServerKeys, type ServerKey } from './server-key.ts';

const NESTING_MAX = 4;

/** One line of a block: its first word, the rest of the line, and the lines in its braces. */
export interface Directive {
  readonly name: Token;
  readonly args: readonly Token[];
  /** Undefined when there were no braces. */
  readonly body: readonly Directive[] | undefined;
}

/** What one or more zones are answered with. */
export interface ServerBlock {
  readonly keys: readonly ServerKey[];
  readonly at: Token;
  readonly directives: readonly Directive[];
}

/** A Corefile as it is written, before anyone knows what its directives mean. */
export interface Corefile {
  readonly blocks: readonly ServerBlock[];
  /** The file itself and what it imports. */
  readonly sources: readonly Source[];
}

/** How a Corefile is read. */
export interface ParseOptions {
  /** Where `{$NAME}` comes from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The port of server blocks that name none. */
  readonly defaultPort: number;
}

/** A file, or a text that stands somewhere else: `path` names it, and its imports are relative to that. */
export interface CorefileSource {
  readonly path: string;
  readonly text?: string;
}

/** Reads and parses a file. Throws CorefileError with line and column, or the error of reading. */
export function readCorefile({ path, text }: CorefileSource, options: ParseOptions): Corefile {
  return parseCorefile(path, text ?? readFileSync(path, 'utf8'), options);
}

/** Parses the text of the file `path`; files it imports are read. Throws CorefileError. */
export function parseCorefile(path: string, text: string, options: ParseOptions): Corefile {
  const sources: Source[] = [{ path, text }];
  const { environment } = options;
  const tokens = expand(lex(path, text), { environment, sources });
  const parser = new Parser(tokens, options.defaultPort);
  return { blocks: parser.blocks(), sources };
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #defaultPort: number;
  #at = 0;

  constructor(tokens: readonly Token[], defaultPort: number) {
    this.#tokens = tokens;
    this.#defaultPort = defaultPort;
  }

  blocks(): ServerBlock[] {
    const blocks: ServerBlock[] = [];
    for (let token = this.#peek(); token !== undefined; token = this.#peek()) {
      const keys = this.#keys();
      if (isBrace(this.#peek(), '{')) {
        const open = this.#next();
        blocks.push({ keys, at: token, directives: this.#lines(open, 1) });
      } else {
        // Without braces there is one server, and it has the rest of the file.
        if (blocks.length > 0) {
          throw new CorefileError(this.#peek() ?? token, 'expected "{" after the zones');
        }
        blocks.push({ keys, at: token, directives: this.#lines(undefined, 1) });
      }
    }
    return blocks;
  }

  /** Zones, parted by blanks or commas; after a comma they may go on in the next line. */
  #keys(): ServerKey[] {
    const keys: ServerKey[] = [];
    let expectsMore = false;
    let line = this.#peek()?.line;
    for (let token = this.#peek(); token !== undefined; token = this.#peek()) {
      if (isBrace(token, '{') || (token.line !== line && !expectsMore)) break;
      if (isBrace(token, '}')) throw new CorefileError(token, 'a "}" that closes nothing');
      ({ line } = token);
      this.#next();
      expectsMore = token.text.endsWith(',');
      const text = expectsMore ? token.text.slice(0, -1) : token.text;
      if (text !== '') keys.push(...parseServerKeys({ ...token, text }, this.#defaultPort));
    }
    const last = this.#tokens[this.#at - 1];
    if (expectsMore && last !== undefined) {
      throw new CorefileError(last, 'expected another zone after ","');
    }
    const next = this.#peek() ?? last;
    if (keys.length === 0 && next !== undefined) {
      throw new CorefileError(next, 'expected a zone before "{"');
    }
    return keys;
  }

  /** The lines up to the brace that closes `open`, or up to the end where there was none. */
  #lines(open: Token | undefined, depth: number): Directive[] {
    const lines: Directive[] = [];
    for (;;) {
      const name = this.#peek();
      if (name === undefined) {
        if (open !== undefined) throw new CorefileError(open, 'a "{" that is not closed');
        return lines;
      }
      if (isBrace(name, '}')) {
        if (open === undefined) throw new CorefileError(name, 'a "}" that closes nothing');
        this.#next();
        return lines;
      }
      if (isBrace(name, '{')) throw new CorefileError(name, 'expected a directive before "{"');
      lines.push(this.#line(depth));
    }
  }

  #line(depth: number): Directive {
    const name = this.#next();
    const args: Token[] = [];
    let { line } = name;
    for (let token = this.#peek(); token?.line === line; token = this.#peek()) {
      if (token.file !== name.file || isBrace(token, '}')) break;
      this.#next();
      if (isBrace(token, '{')) {
        if (depth >= NESTING_MAX) {
          throw new CorefileError(token, `expected at most ${NESTING_MAX} blocks in one another`);
        }
        return { name, args, body: this.#lines(token, depth + 1) };
      }
      args.push(token);
      // A quoted word may end lines further down, and the line goes on there.
      line = token.line + (token.isQuoted ? token.text.split('\n').length - 1 : 0);
    }
    return { name, args, body: undefined };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #next(): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new Error('read past the end of the Corefile');
    this.#at += 1;
    return token;
  }
}
