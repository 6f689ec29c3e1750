import { ENOENT } from '../../sys/errno.ts';
import { netlinkErrno } from '../error.ts';
import { Batch } from './batch.ts';
import { GenerationChangedError } from './batch-error.ts';
import { generationGet, type NftablesConnection } from './connection.ts';

/** So many changes of others in a row are no accident. */
const TRANSACTION_ATTEMPTS_MAX = 10;

/**
 * Reads, decides and writes as if nobody else did: `build` lists what it needs to know and fills the
 * batch, which is applied only if the ruleset is as it was before. When another change came first,
 * all is done again, so `build` must start from what it reads. Gives what `build` gave. Throws
 * GenerationChangedError after so many attempts, and what `Batch.commit` throws.
 */
export function transaction<T>(connection: NftablesConnection, build: (batch: Batch) => T): T {
  for (let attempt = 1; ; attempt += 1) {
    const generation = generationGet(connection);
    const batch = new Batch(connection);
    const result = build(batch);
    try {
      batch.commit({ generation });
      return result;
    } catch (error) {
      if (!(error instanceof GenerationChangedError) || attempt >= TRANSACTION_ATTEMPTS_MAX) {
        throw error;
      }
    }
  }
}

/**
 * Applies what `build` decides by what it reads, whatever else others change meanwhile; only when
 * something that is to be removed is gone by then, all is done again. For many who each care for rules
 * of their own: `transaction` would have them wait for one another. Gives what `build` gave. Throws
 * what `Batch.commit` throws.
 */
export function applyOwn<T>(connection: NftablesConnection, build: (batch: Batch) => T): T {
  for (let attempt = 1; ; attempt += 1) {
    const batch = new Batch(connection);
    const result = build(batch);
    try {
      batch.commit();
      return result;
    } catch (error) {
      if (netlinkErrno(error) !== ENOENT || attempt >= TRANSACTION_ATTEMPTS_MAX) throw error;
    }
  }
}
