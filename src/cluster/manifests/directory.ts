import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PodwireError } from '../../errors.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import { type Manifest, ManifestError, parseManifest } from './parse.ts';

/** Longer files are refused: a mistake should cost an error, not the memory of the node. */
const FILE_BYTES_MAX = 16 << 20;
const FILES_MAX = 10_000;
const SUFFIX = /\.(ya?ml|json)$/;

/** What one look at the directory came to. */
export interface Scan {
  /**
   * The objects that are new, or others than at the last look: at the first, all of them. Of files that
   * are broken now, those they held when they last were not stay in force.
   */
  readonly changed: readonly ClusterObject[];
  /** The keys of what is there no more. */
  readonly deleted: readonly string[];
  /** What is wrong now, in the order of the files. */
  readonly errors: readonly ManifestError[];
}

interface FileState {
  /** Tells whether the file changed since it was read. */
  readonly stamp: string;
  readonly manifest: Manifest;
  readonly error: ManifestError | undefined;
}

/** A directory of manifests, read again on every `scan`, changed files only. */
export class ManifestDirectory {
  readonly path: string;
  #files = new Map<string, FileState>();
  #objects = new Map<string, ClusterObject>();
  #duplicates: readonly ManifestError[] = [];

  constructor(path: string) {
    this.path = path;
  }

  /** Looks at every file. Throws PodwireError when the directory can't be read. */
  scan(): Scan {
    const names = listDirectory(this.path)
      .filter((name) => SUFFIX.test(name) && !name.startsWith('.'))
      .sort();
    const errors: ManifestError[] = [];
    if (names.length > FILES_MAX) {
      const problem = `${names.length} files, at most ${FILES_MAX} are read`;
      errors.push(new ManifestError(this.path, 1, '', problem));
    }
    const files = new Map<string, FileState>();
    for (const name of names.slice(0, FILES_MAX)) {
      const state = this.#read(name);
      if (state === undefined) continue;
      files.set(name, state);
      if (state.error !== undefined) errors.push(state.error);
    }
    const before = this.#files;
    this.#files = files;
    const isSame =
      before.size === files.size && [...files].every(([name, state]) => before.get(name) === state);
    return { ...this.#difference(isSame), errors: [...errors, ...this.#duplicates] };
  }

  /** How the objects differ from those of the last look. */
  #difference(isSame: boolean): Omit<Scan, 'errors'> {
    const before = this.#objects;
    if (isSame) return { changed: [], deleted: [] };
    const duplicates: ManifestError[] = [];
    const objects = this.#merge(duplicates);
    this.#objects = objects;
    this.#duplicates = duplicates;
    const changed: ClusterObject[] = [];
    for (const [key, object] of objects) if (before.get(key) !== object) changed.push(object);
    const deleted: string[] = [];
    for (const key of before.keys()) if (!objects.has(key)) deleted.push(key);
    return { changed, deleted };
  }

  /** Undefined when the file went away meanwhile. */
  #read(name: string): FileState | undefined {
    const file = join(this.path, name);
    const before = this.#files.get(name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) return undefined;
    const stamp = `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
    if (before?.stamp === stamp) return before;
    const last = before?.manifest ?? { objects: [], ignored: [] };
    try {
      if (stat.size > FILE_BYTES_MAX) {
        throw new ManifestError(file, 1, '', `${stat.size} bytes, at most ${FILE_BYTES_MAX}`);
      }
      const manifest = parseManifest(file, readFileSync(file));
      // An editor that truncates before it writes must not take every Service down meanwhile.
      if (manifest.objects.length === 0 && last.objects.length > 0) {
        throw new ManifestError(file, 1, '', 'no objects left; remove the file if that is meant');
      }
      return { stamp, manifest, error: undefined };
    } catch (error) {
      const known = error instanceof ManifestError;
      const reason = known ? error : new ManifestError(file, 1, '', String(error));
      return { stamp, manifest: last, error: reason };
    }
  }

  /** All objects by their keys; of two with one name the first file's is kept and the other reported. */
  #merge(errors: ManifestError[]): Map<string, ClusterObject> {
    const objects = new Map<string, ClusterObject>();
    for (const [name, { manifest }] of this.#files) {
      for (const object of manifest.objects) {
        const key = objectKey(object);
        if (!objects.has(key)) {
          objects.set(key, object);
          continue;
        }
        const problem = `${key} is defined in ${this.#fileOf(key)} already`;
        errors.push(new ManifestError(join(this.path, name), 1, 'metadata.name', problem));
      }
    }
    return objects;
  }

  /** The first file with an object of this key. */
  #fileOf(key: string): string {
    for (const [name, { manifest }] of this.#files) {
      if (manifest.objects.some((object) => objectKey(object) === key)) return name;
    }
    return '';
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
