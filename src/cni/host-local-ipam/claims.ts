import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attachment } from '../protocol/plugin.ts';

/** With an interface's name and the rest, less than the 255 bytes that a file's name may have. */
const ID_CHARACTERS_MAX = 200;

/**
 * Reservations that have no address yet: for each, a file that says whose it is. They are whole and on
 * disk before the lock is taken, and then get an address for a name, in one step that fails where there
 * is such a file. So nobody ever sees half of a reservation, or waits for a disk under the lock.
 */
export class Claims implements Disposable {
  readonly #directory: string;
  readonly #paths: readonly string[];

  private constructor(directory: string, paths: readonly string[]) {
    this.#directory = directory;
    this.#paths = paths;
  }

  /** Writes `count` of them. Throws what node:fs throws, and leaves nothing then. */
  static write(directory: string, attachment: Attachment, count: number): Claims {
    const names = Array.from({ length: count }, (_, index) => claimName(attachment, index));
    const claims = new Claims(
      directory,
      names.map((name) => join(directory, name)),
    );
    using undo = new DisposableStack();
    undo.use(claims);
    for (const path of claims.#paths) {
      // One that is there is of an ADD that was killed, and may have an address for another name: it
      // must not be written to.
      rmSync(path, { force: true });
      writeFileSync(path, ownerText(attachment), { flag: 'wx', mode: 0o600, flush: true });
    }
    undo.move();
    return claims;
  }

  /** Reserves the address by the claim of that index. Gives false when it is reserved already. */
  reserve(index: number, name: string): boolean {
    const path = this.#paths[index];
    if (path === undefined) throw new RangeError(`no claim ${index}`);
    try {
      linkSync(path, join(this.#directory, name));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  /** What they reserved stays. */
  [Symbol.dispose](): void {
    for (const path of this.#paths) rmSync(path, { force: true });
  }
}

/**
 * What a reservation says: the container's id and the interface's name. Older versions of the reference
 * plugin wrote the id alone.
 */
export function ownerText({ containerId, ifName }: Attachment): string {
  return `${containerId}\r\n${ifName}`;
}

/** The name of an attachment's claim; neither ids nor interfaces have a colon in them. */
function claimName(attachment: Attachment, index: number): string {
  return unfinishedName(`${claimPrefix(attachment)}${index}`);
}

/** Whether a file is a claim of the attachment, and so what is left of an ADD that was killed. */
export function isClaimOf(attachment: Attachment, name: string): boolean {
  return isUnfinished(name) && name.startsWith(`.${claimPrefix(attachment)}`);
}

function claimPrefix({ containerId, ifName }: Attachment): string {
  return `${containerId.slice(0, ID_CHARACTERS_MAX)}:${ifName}:`;
}

/** The name of a file until it is whole: that of no address. */
export function unfinishedName(name: string): string {
  return `.${name}.new`;
}

/** Whether a file is one that never became whole, if nobody is at work. */
export function isUnfinished(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.new');
}
