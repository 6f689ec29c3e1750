import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Event, loadAll, parseEvents, YAMLException } from 'js-yaml';
import { type FieldPath, formatPath } from '../../cluster/decode.ts';
import { placeOf } from '../../cluster/manifests/positions.ts';
import { ConfigError, type Fault } from './fault.ts';

/** A configuration is some kilobytes; this is a mistake. */
const FILE_BYTES_MAX = 1 << 20;

/** A file and what it held when it was read. */
export interface ReadFile {
  readonly file: string;
  readonly text: string;
}

/** A document of a YAML file, or a part of one, that knows where its fields stand. */
export class ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  readonly #events: () => readonly Event[];
  readonly #text: string;
  readonly #index: number;
  readonly #base: FieldPath;

  private constructor(
    { file, text }: ReadFile,
    events: () => readonly Event[],
    index: number,
    base: FieldPath,
    value: unknown,
  ) {
    this.file = file;
    this.value = value;
    this.#text = text;
    this.#events = events;
    this.#index = index;
    this.#base = base;
  }

  /** The documents of a file that say something. Throws ConfigError when it is no YAML. */
  static all(read: ReadFile): ConfigDocument[] {
    let known: readonly Event[] | undefined;
    const events = () => {
      known ??= parseEvents(read.text, {});
      return known;
    };
    const documents = loaded(read).map(
      (value, index) => new ConfigDocument(read, events, index, [], value),
    );
    return documents.filter(({ value }) => value !== null && value !== undefined);
  }

  /** Where the paths in it begin. */
  get directory(): string {
    return dirname(this.file);
  }

  /** A part as a document of its own, whose faults still stand in the whole. */
  within(path: FieldPath, value: unknown): ConfigDocument {
    const read = { file: this.file, text: this.#text };
    return new ConfigDocument(read, this.#events, this.#index, [...this.#base, ...path], value);
  }

  /** Where a field stands, `file:line:column`, or the deepest part of the path that is there. */
  placeOf(path: FieldPath): string {
    const all = [...this.#base, ...path];
    const { line, column } = placeOf(this.#text, this.#events(), this.#index, all);
    return `${this.file}:${line}:${column}`;
  }

  /** Says that a field is wrong. */
  fault(path: FieldPath, problem: string): Fault {
    const all = [...this.#base, ...path];
    return { where: this.placeOf(path), field: all.length === 0 ? '' : formatPath(all), problem };
  }
}

/** Reads a file. Throws ConfigError where it can't be read or is too long; `by` is who names it. */
export function readConfigFile(file: string, by: string): ReadFile {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) throw new Error(`${size} bytes, at most ${FILE_BYTES_MAX}`);
    return { file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new ConfigError([{ where: by, field: file, problem }]);
  }
}

function loaded({ file, text }: ReadFile): unknown[] {
  try {
    return loadAll(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { line = 0, column = 0 } = error.mark ?? {};
    const where = `${file}:${line + 1}:${column + 1}`;
    throw new ConfigError([{ where, field: '', problem: `not YAML: ${error.reason}` }]);
  }
}
