import { READERS_MAX } from '../table/format.ts';

const taken = new Set<number>();

/**
 * A number no other thread of this process reads tables by; it is the caller's to give back when its
 * thread has ended. Throws RangeError when there are no more.
 */
export function takeReaderNumber(): number {
  for (let reader = 0; reader < READERS_MAX; reader += 1) {
    if (taken.has(reader)) continue;
    taken.add(reader);
    return reader;
  }
  throw new RangeError(`DNS: expected at most ${READERS_MAX} threads`);
}

export function giveReaderNumberBack(reader: number): void {
  taken.delete(reader);
}
