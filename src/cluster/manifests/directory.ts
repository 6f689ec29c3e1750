import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PodwireError } from '../../errors.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import { ManifestError, parseManifest } from './parse.ts';

/** Longer files are refused: a mistake should cost an error, not the memory of the node. */
const FILE_BYTES_MAX = 16 << 20;
const FILES_MAX = 10_000;
const SUFFIX = /\.(ya?ml|json)$/;

/** What one look at the directory came to, beside the objects it gave. */
export interface Scan {
  /** The keys of what is there no more. */
  readonly deleted: readonly string[];
  /** What is wrong now, in the order of the files. */
  readonly errors: readonly ManifestError[];
}

/** Takes the objects of a file that are new, or may be others than at the last look. */
export type Put = (objects: readonly ClusterObject[]) => void;

/** A file as it is found. */
interface Found {
  readonly stamp: string;
  readonly sizeBytes: number;
}

interface FileState {
  /** Tells whether the file changed since it was read. */
  readonly stamp: string;
  /** The keys of its objects, as it was when it last was well. */
  readonly keys: readonly string[];
  readonly error: ManifestError | undefined;
}

/**
 * A directory of manifests, read again on every `scan`, changed files only. Objects are handed over, not
 * kept; those of a file that is broken now are not told of, so that they stay in force as they were.
 */
export class ManifestDirectory {
  readonly path: string;
  readonly #files = new Map<string, FileState>();
  /** The file that has a key: the first by name. */
  readonly #holders = new Map<string, string>();
  /** Where several files have a key, or one has it twice: all of them, in order. */
  readonly #contested = new Map<string, readonly string[]>();

  constructor(path: string) {
    this.path = path;
  }

  /** Looks at every file, and gives the objects of those that changed. Throws PodwireError. */
  scan(put: Put): Scan {
    const names = listDirectory(this.path)
      .filter((name) => SUFFIX.test(name) && !name.startsWith('.'))
      .sort();
    const errors: ManifestError[] = [];
    if (names.length > FILES_MAX) {
      const problem = `${names.length} files, at most ${FILES_MAX} are read`;
      errors.push(new ManifestError(this.path, 1, '', problem));
    }
    const found = this.#find(names.slice(0, FILES_MAX));
    const changed = new Map(
      [...found].filter(([name, { stamp }]) => this.#files.get(name)?.stamp !== stamp),
    );
    const gone = [...this.#files.keys()].filter((name) => !found.has(name));
    const before = new Map(this.#files);
    const freed = new Map<string, string>();
    for (const name of [...changed.keys(), ...gone]) this.#release(name, freed);
    for (const [name, file] of changed) this.#read(name, file, before.get(name), put);
    const { deleted, heirs } = this.#settle(freed, changed);
    for (const name of heirs) {
      // Its objects were another file's as well, and are put for the first time.
      const { objects } = this.#parse(name, found.get(name)?.sizeBytes ?? 0, true);
      put(objects.filter((object) => this.#holders.get(objectKey(object)) === name));
    }
    for (const name of found.keys()) {
      const error = this.#files.get(name)?.error;
      if (error !== undefined) errors.push(error);
    }
    return { deleted, errors: [...errors, ...this.#duplicates()] };
  }

  /** Those of the files that did not go away meanwhile. */
  #find(names: readonly string[]): Map<string, Found> {
    const found = new Map<string, Found>();
    for (const name of names) {
      const stat = statSync(join(this.path, name), { throwIfNoEntry: false });
      if (stat === undefined || !stat.isFile()) continue;
      const stamp = `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
      found.set(name, { stamp, sizeBytes: stat.size });
    }
    return found;
  }

  /** Forgets a file. `freed` is told of the keys it had, and not another. */
  #release(name: string, freed: Map<string, string>): void {
    for (const key of this.#files.get(name)?.keys ?? []) {
      if (this.#holders.get(key) === name) freed.set(key, name);
      this.#setClaims(
        key,
        this.#claims(key).filter((each) => each !== name),
      );
    }
    this.#files.delete(name);
  }

  /** Reads a file and puts the objects it has, and no file before it. */
  #read(name: string, found: Found, before: FileState | undefined, put: Put): void {
    const { stamp, sizeBytes } = found;
    const last = before?.keys ?? [];
    const { objects, error } = this.#parse(name, sizeBytes, last.length > 0);
    const keys = error === undefined ? objects.map(objectKey) : last;
    this.#files.set(name, { stamp, keys, error });
    const own = objects.filter((_, index) => this.#claim(keys[index] ?? '', name));
    if (error !== undefined) for (const key of keys) this.#claim(key, name);
    put(own);
  }

  #parse(
    name: string,
    sizeBytes: number,
    hadObjects: boolean,
  ): { objects: readonly ClusterObject[]; error: ManifestError | undefined } {
    const file = join(this.path, name);
    try {
      if (sizeBytes > FILE_BYTES_MAX) {
        throw new ManifestError(file, 1, '', `${sizeBytes} bytes, at most ${FILE_BYTES_MAX}`);
      }
      const { objects } = parseManifest(file, readFileSync(file));
      // An editor that truncates before it writes must not take every Service down meanwhile.
      if (objects.length === 0 && hadObjects) {
        throw new ManifestError(file, 1, '', 'no objects left; remove the file if that is meant');
      }
      return { objects, error: undefined };
    } catch (error) {
      const known = error instanceof ManifestError;
      const reason = known ? error : new ManifestError(file, 1, '', String(error));
      return { objects: [], error: reason };
    }
  }

  /** The keys nobody has any more, and the files that have others now and were not read. */
  #settle(
    freed: ReadonlyMap<string, string>,
    read: ReadonlyMap<string, Found>,
  ): { readonly deleted: readonly string[]; readonly heirs: ReadonlySet<string> } {
    const deleted: string[] = [];
    const heirs = new Set<string>();
    for (const [key, holder] of freed) {
      const heir = this.#holders.get(key);
      if (heir === undefined) deleted.push(key);
      else if (heir !== holder && !read.has(heir)) heirs.add(heir);
    }
    return { deleted, heirs };
  }

  /** Notes that a file has a key. Gives whether it is the first, so that its object is in force. */
  #claim(key: string, name: string): boolean {
    const claims = this.#claims(key);
    this.#setClaims(key, [...claims, name].sort());
    return !claims.includes(name) && this.#holders.get(key) === name;
  }

  #claims(key: string): readonly string[] {
    const holder = this.#holders.get(key);
    return this.#contested.get(key) ?? (holder === undefined ? [] : [holder]);
  }

  #setClaims(key: string, claims: readonly string[]): void {
    const [first] = claims;
    if (first === undefined) this.#holders.delete(key);
    else this.#holders.set(key, first);
    if (claims.length > 1) this.#contested.set(key, claims);
    else this.#contested.delete(key);
  }

  #duplicates(): ManifestError[] {
    return [...this.#contested].flatMap(([key, [first = '', ...others]]) =>
      others.map((name) => {
        const problem = `${key} is defined in ${first} already`;
        return new ManifestError(join(this.path, name), 1, 'metadata.name', problem);
      }),
    );
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `manifests: expected a readable directory, got "${path}" (${code})`;
    throw new PodwireError('ERR_MANIFEST', problem, { cause: error });
  }
}
