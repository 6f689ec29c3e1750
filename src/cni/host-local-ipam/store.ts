import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { LockTimeoutError, lockFile } from '../../sys/flock.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Attachment } from '../protocol/plugin.ts';
import { type Claims, isClaimOf, isUnfinished, ownerText, unfinishedName } from './claims.ts';

/** The reference waits forever. A lock is held for milliseconds, so this is a long queue or a dead disk. */
const LOCK_TIMEOUT_MS = 30_000;

const ADDRESS_CHARACTERS = /^[0-9A-Fa-f:][0-9A-Fa-f:.]+$/;

/**
 * A network's reservations, one file for each address, named by it and holding the container's id
 * and the interface's name: the reference plugin's format, so that both may work on one directory.
 */
export class ReservationStore {
  readonly #directory: string;
  readonly #names: readonly string[];
  #addrs: ReadonlyMap<string, Addr> | undefined;
  #owners: ReadonlyMap<string, string> | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#names = listDirectory(directory);
  }

  /**
   * Runs `work` on the store of `directory` while no other process has it. Throws CniError, of code 11
   * when the lock is not to be had in time.
   */
  static locked<T>(
    directory: string,
    work: (store: ReservationStore) => T,
    timeoutMs = LOCK_TIMEOUT_MS,
  ): T {
    return onDisk(directory, () => {
      try {
        using _lock = lockFile(join(directory, 'lock'), { timeoutMs, mode: 0o750 });
        return work(new ReservationStore(directory));
      } catch (error) {
        if (!(error instanceof LockTimeoutError)) throw error;
        throw new CniError(CNI_CODE.tryAgainLater, error.message);
      }
    });
  }

  /** As it is at this moment, for whoever changes nothing. Throws CniError. */
  static glance(directory: string): ReservationStore {
    return onDisk(directory, () => new ReservationStore(directory));
  }

  /** Every address that is reserved, by whomever and whatever its file says. */
  reserved(): Iterable<Addr> {
    return this.#addrsByName().values();
  }

  isReserved(addr: Addr): boolean {
    return this.#addrsByName().has(`${addr}`);
  }

  /** The addresses an attachment holds. */
  heldBy(attachment: Attachment): Addr[] {
    return this.#namesOf(attachment)
      .toSorted()
      .flatMap((name) => tryParseAddr(name) ?? []);
  }

  /** Reserves an address for the range set. Gives false when it is reserved already. */
  reserve(claims: Claims, setIndex: number, addr: Addr): boolean {
    return claims.reserve(setIndex, `${addr}`);
  }

  /** Remembers the address as the last one that the range set gave. */
  remember(setIndex: number, addr: Addr): void {
    const path = this.#lastPath(setIndex);
    // A hint: what a power failure makes of it costs nothing but the order.
    const temporary = join(this.#directory, unfinishedName(lastName(setIndex)));
    try {
      writeFileSync(temporary, `${addr}`, { mode: 0o600 });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** The address the range set gave last, or undefined where nothing or no address is written. */
  lastReserved(setIndex: number): Addr | undefined {
    try {
      return tryParseAddr(readFileSync(this.#lastPath(setIndex), 'utf8').trim());
    } catch {
      return undefined;
    }
  }

  /** Frees all an attachment holds. Nothing held is fine. */
  release(attachment: Attachment): void {
    for (const name of this.#namesOf(attachment)) this.#remove(name);
    for (const name of this.#names) {
      if (isClaimOf(attachment, name)) this.#remove(name);
    }
  }

  /**
   * Frees what belongs to no attachment of `valid`, and what belongs to nobody: files that a crash left
   * empty or unfinished. Nobody else may be at work on the network.
   */
  releaseOthers(valid: readonly Attachment[]): void {
    const kept = new Set(valid.flatMap((each) => [ownerText(each), each.containerId]));
    for (const [name, owner] of this.#ownersByName()) {
      if (!kept.has(owner) && isAddress(name)) this.#remove(name);
    }
    for (const name of this.#names.filter(isUnfinished)) this.#remove(name);
  }

  /** Takes back what `reserve` did. */
  releaseAddr(addr: Addr): void {
    this.#remove(`${addr}`);
  }

  #namesOf(attachment: Attachment): string[] {
    const owners = [...this.#ownersByName()];
    const owner = ownerText(attachment);
    const own = owners.filter(([, each]) => each === owner);
    // Who wrote the id alone meant any interface.
    const found =
      own.length > 0 ? own : owners.filter(([, each]) => each === attachment.containerId);
    return found.map(([name]) => name).filter(isAddress);
  }

  #addrsByName(): ReadonlyMap<string, Addr> {
    if (this.#addrs !== undefined) return this.#addrs;
    const addrs = new Map<string, Addr>();
    for (const name of this.#names) {
      const addr = tryParseAddr(name);
      if (addr !== undefined) addrs.set(name, addr);
    }
    this.#addrs = addrs;
    return addrs;
  }

  /** What the files say, all of which are read: nothing but their content tells whose they are. */
  #ownersByName(): ReadonlyMap<string, string> {
    if (this.#owners !== undefined) return this.#owners;
    const owners = new Map<string, string>();
    for (const name of this.#names) {
      // Whether it is an address is asked of those few that matter.
      if (!ADDRESS_CHARACTERS.test(name)) continue;
      const owner = readOwner(`${this.#directory}/${name}`);
      if (owner !== undefined) owners.set(name, owner);
    }
    this.#owners = owners;
    return owners;
  }

  #remove(name: string): void {
    rmSync(join(this.#directory, name), { force: true });
  }

  #lastPath(setIndex: number): string {
    return join(this.#directory, lastName(setIndex));
  }
}

/** Makes the directory where it is missing. Throws CniError. */
export function makeDirectory(directory: string): void {
  onDisk(directory, () => mkdirSync(directory, { recursive: true, mode: 0o755 }));
}

/** Runs what reads or writes the directory; what the kernel refuses is a CniError of code 5. */
export function onDisk<T>(directory: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const text = `data directory "${directory}": ${error.message}`;
    throw new CniError(CNI_CODE.io, text, '', { cause: error });
  }
}

function isAddress(name: string): boolean {
  return tryParseAddr(name) !== undefined;
}

function lastName(setIndex: number): string {
  return `last_reserved_ip.${setIndex}`;
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined for what nobody can free: a file just removed by hand, or no file at all. */
function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
