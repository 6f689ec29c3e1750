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
  /** All objects in force: of files that are broken now, those they held when they last were not. */
  readonly objects: readonly ClusterObject[];
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
    this.#files = files;
    return { objects: this.#merge(errors), errors };
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
      const manifest = parseManifest(file, readFileSync(file, 'utf8'));
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

  /** All objects; of two with one name the first file's is kept and the other reported. */
  #merge(errors: ManifestError[]): ClusterObject[] {
    const objects: ClusterObject[] = [];
    const definedIn = new Map<string, string>();
    for (const [name, { manifest }] of this.#files) {
      for (const object of manifest.objects) {
        const key = objectKey(object);
        const other = definedIn.get(key);
        if (other !== undefined) {
          const problem = `${key} is defined in ${other} already`;
          errors.push(new ManifestError(join(this.path, name), 1, 'metadata.name', problem));
          continue;
        }
        definedIn.set(key, name);
        objects.push(object);
      }
    }
    return objects;
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
