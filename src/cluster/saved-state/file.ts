import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PodwireError } from '../../errors.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { ClusterObject } from '../objects.ts';

/** 300,000 endpoints are a tenth of it. */
const FILE_BYTES_MAX = 512 << 20;
const CHUNK_BYTES = 1 << 20;
/** So many objects are made text without a look at anything else. */
const OBJECTS_AT_ONCE = 200;

const FORMAT = 'podwire cluster state';
/** Higher when `objects.ts` gets a field that must be there, or one that means something else. */
const VERSION = 1;

const KINDS: Readonly<Record<ClusterObject['kind'], true>> = {
  Service: true,
  EndpointSlice: true,
  Namespace: true,
  Node: true,
  Pod: true,
  ServiceCIDR: true,
  ServiceImport: true,
};

/** What was known, and from where. */
export interface SavedState {
  /** The server it is from. */
  readonly origin: string;
  /** When it was written (Date.now). */
  readonly savedMs: number;
  readonly objects: readonly ClusterObject[];
}

/** A file that can't be used. */
export class SavedStateError extends PodwireError {
  constructor(path: string, problem: string, options?: ErrorOptions) {
    super('ERR_SAVED_STATE', `${path}: ${problem}`, options);
  }
}

interface Head {
  readonly format: string;
  readonly version: number;
  readonly origin: string;
  readonly savedMs: number;
  readonly objects: number;
}

/**
 * Puts a state at `path`: in a file beside it first, which takes its place once all of it is on the
 * disk. Others are served between its parts. Gives its size in bytes. Rejects with the error of the
 * file system, or with SavedStateError for a state that is too large; what was there stays.
 */
export async function writeState(path: string, state: SavedState): Promise<number> {
  const temporary = join(dirname(path), temporaryName(path));
  try {
    const bytes = await writeTo(temporary, path, state);
    await rename(temporary, path);
    const directory = await open(dirname(path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    return bytes;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A name for a file that is being written, which says by whom. */
function temporaryName(path: string): string {
  return `.${basename(path)}.${process.pid}.${process.hrtime.bigint()}.tmp`;
}

async function writeTo(temporary: string, path: string, state: SavedState): Promise<number> {
  const { origin, savedMs, objects } = state;
  const hash = createHash('sha256');
  const file = await open(temporary, 'wx', 0o600);
  let bytes = 0;
  const write = async (text: string): Promise<void> => {
    const chunk = Buffer.from(text);
    bytes += chunk.length;
    if (bytes > FILE_BYTES_MAX) {
      throw new SavedStateError(path, `more than ${FILE_BYTES_MAX} bytes of objects, not saved`);
    }
    hash.update(chunk);
    await file.writeFile(chunk);
  };
  try {
    const count = objects.length;
    const head: Head = { format: FORMAT, version: VERSION, origin, savedMs, objects: count };
    await write(`${JSON.stringify(head)}\n`);
    for (let at = 0; at < count; at += OBJECTS_AT_ONCE) {
      const some = objects.slice(at, at + OBJECTS_AT_ONCE);
      await write(some.map((object) => `${JSON.stringify(object)}\n`).join(''));
    }
    await file.writeFile(`{"sha256":"${hash.digest('hex')}"}\n`);
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

/**
 * The state at `path`; undefined when there is none. Throws SavedStateError for a file that is torn, of
 * something else, of another server than `origin`, where that is said, or of a later podwire.
 */
export function readState(path: string, origin?: string): SavedState | undefined {
  const fd = openFile(path);
  if (fd === undefined) return undefined;
  try {
    return parseState(path, origin, linesOf(path, fd));
  } finally {
    closeSync(fd);
  }
}

function openFile(path: string): number | undefined {
  try {
    // A pipe must not be waited for.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new SavedStateError(path, `expected a readable file (${code})`, { cause: error });
  }
}

function* linesOf(path: string, fd: number): Generator<string, undefined> {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw new SavedStateError(path, 'expected a file');
  if (stat.size > FILE_BYTES_MAX) {
    throw new SavedStateError(path, `${stat.size} bytes, at most ${FILE_BYTES_MAX} are read`);
  }
  const splitter = new LineSplitter();
  for (let left = stat.size; left > 0; ) {
    // Lines may keep what they were cut from until they are whole, so each chunk has its own.
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left));
    const read = readSync(fd, chunk);
    if (read === 0) return;
    left -= read;
    yield* splitter.push(chunk.subarray(0, read));
  }
}

function parseState(
  path: string,
  origin: string | undefined,
  lines: Generator<string>,
): SavedState {
  const hash = createHash('sha256');
  const next = (): string => {
    try {
      const { value, done } = lines.next();
      if (!done) return value;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    throw new SavedStateError(path, 'the file is torn: it ends too early');
  };
  const first = next();
  const head = parseHead(path, origin, first);
  hash.update(`${first}\n`);
  const texts: string[] = [];
  for (let index = 0; index < head.objects; index += 1) {
    const line = next();
    hash.update(`${line}\n`);
    texts.push(line);
  }
  if (next() !== `{"sha256":"${hash.digest('hex')}"}`) {
    throw new SavedStateError(path, 'the file is torn: its checksum is another one');
  }
  const objects = texts.map((text) => {
    const object = JSON.parse(text) as ClusterObject;
    if (Object.hasOwn(KINDS, object.kind)) return object;
    throw new SavedStateError(path, `an object of an unknown kind, "${object.kind}"`);
  });
  return { origin: head.origin, savedMs: head.savedMs, objects };
}

function parseHead(path: string, origin: string | undefined, line: string): Head {
  let head: Partial<Head> | undefined;
  try {
    head = JSON.parse(line) as Partial<Head>;
  } catch {
    // It says itself that it is something else.
  }
  if (head?.format !== FORMAT) throw new SavedStateError(path, `expected a ${FORMAT}`);
  const { version } = head;
  if (version !== VERSION) {
    throw new SavedStateError(path, `expected version ${VERSION}, got ${JSON.stringify(version)}`);
  }
  const { origin: from, savedMs, objects } = head;
  if (origin !== undefined && from !== origin) {
    throw new SavedStateError(path, `it is of another server, ${JSON.stringify(from)}`);
  }
  if (typeof from !== 'string') throw new SavedStateError(path, 'expected origin in its head');
  if (typeof savedMs !== 'number' || !Number.isSafeInteger(objects)) {
    throw new SavedStateError(path, 'expected savedMs and objects in its head');
  }
  return { format: FORMAT, version, origin: from, savedMs, objects: objects ?? 0 };
}
