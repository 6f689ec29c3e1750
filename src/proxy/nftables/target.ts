/*
 * What the maps of Services hold: one number of 32 bits that says which pool a connection goes to and
 * how an endpoint of it is picked. It travels from rule to rule in the packet's priority.
 *
 *     31                    12 11          0
 *     | pool                  | class       |
 *
 * A pool's number is the key to its endpoints. A class is a way of picking: one of N, with or without
 * memory of the client. There are few classes and many pools, so the one map whose elements are verdicts,
 * which are slow to insert, stays small.
 */

export const POOL_MAX = (1 << 20) - 1;
export const CLASS_MAX = (1 << 12) - 1;
/** The bits of the pool. */
export const POOL_MASK = (CLASS_MAX ^ 0xffffffff) >>> 0;

/** The number for a pool and a class. */
export function target(pool: number, classId: number): number {
  return ((pool << 12) | classId) >>> 0;
}

export function poolOf(value: number): number {
  return value >>> 12;
}
