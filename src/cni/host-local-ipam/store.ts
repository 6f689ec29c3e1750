import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { LockTimeoutError, lockFile } from '../../sys/flock.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Attachment } from '../protocol/plugin.ts';

/** The reference waits forever; a runtime has long given up by then. */
const LOCK_TIMEOUT_MS = 60_000;

/**
 * A network's reservations, one file for each address, named by it and holding the container's id
 * and the interface's name: the reference plugin's format, so that both may work on one directory.
 * All access is under the directory's lock.
 */
export class ReservationStore {
  readonly #directory: string;
  /** What the files say; those that say nothing were torn by a crash and count as free. */
  readonly #owners = new Map<string, string>();

  private constructor(directory: string) {
    this.#directory = directory;
    for (const name of readdirSync(directory)) {
      if (tryParseAddr(name) === undefined) continue;
      const owner = readFileSync(join(directory, name), 'utf8').trim();
      if (owner !== '') this.#owners.set(name, owner);
    }
  }

  /** Runs `work` on the store of `directory` while no other process has it. Throws CniError. */
  static locked<T>(directory: string, work: (store: ReservationStore) => T): T {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    try {
      using _lock = lockFile(join(directory, 'lock'), { timeoutMs: LOCK_TIMEOUT_MS, mode: 0o750 });
      return work(new ReservationStore(directory));
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error;
      throw new CniError(CNI_CODE.tryAgainLater, error.message);
    }
  }

  /** Every address that is reserved, by whomever. */
  *reserved(): Generator<Addr, undefined> {
    for (const name of this.#owners.keys()) {
      const addr = tryParseAddr(name);
      if (addr !== undefined) yield addr;
    }
  }

  isReserved(addr: Addr): boolean {
    return this.#owners.has(`${addr}`);
  }

  /** The addresses an attachment holds. */
  heldBy(attachment: Attachment): string[] {
    const owner = ownerText(attachment);
    return [...this.#owners].filter(([, each]) => each === owner).map(([name]) => name);
  }

  /** Reserves a free address and remembers it as the last of the range set. */
  reserve(addr: Addr, attachment: Attachment, setIndex: number): void {
    const name = `${addr}`;
    const owner = ownerText(attachment);
    writeFileSync(join(this.#directory, name), owner, { mode: 0o600 });
    this.#owners.set(name, owner);
    writeFileSync(this.#lastPath(setIndex), name, { mode: 0o600 });
  }

  /** The address the range set gave last, or undefined. */
  lastReserved(setIndex: number): Addr | undefined {
    try {
      return tryParseAddr(readFileSync(this.#lastPath(setIndex), 'utf8').trim());
    } catch {
      return undefined;
    }
  }

  /** Frees all an attachment holds. Nothing held is fine. */
  release(attachment: Attachment): void {
    const owner = ownerText(attachment);
    this.#releaseWhere((each) => each === owner || each === attachment.containerId);
  }

  /** Frees what belongs to no attachment of `valid`. */
  releaseOthers(valid: readonly Attachment[]): void {
    const kept = new Set(valid.flatMap((each) => [ownerText(each), each.containerId]));
    this.#releaseWhere((owner) => !kept.has(owner));
  }

  releaseAddr(addr: Addr): void {
    rmSync(join(this.#directory, `${addr}`), { force: true });
    this.#owners.delete(`${addr}`);
  }

  #releaseWhere(matches: (owner: string) => boolean): void {
    for (const [name, owner] of this.#owners) {
      if (!matches(owner)) continue;
      rmSync(join(this.#directory, name), { force: true });
      this.#owners.delete(name);
    }
  }

  #lastPath(setIndex: number): string {
    return join(this.#directory, `last_reserved_ip.${setIndex}`);
  }
}

/** Older versions of the reference wrote the id alone; `release` still knows it. */
function ownerText({ containerId, ifName }: Attachment): string {
  return `${containerId.trim()}\r\n${ifName}`;
}
