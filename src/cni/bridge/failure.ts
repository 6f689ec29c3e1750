import { CniError, toCniError } from '../protocol/error.ts';

/** What could not be done, in front of why; code and details stay. */
export function failure(what: string, error: unknown): CniError {
  const { cniCode, message, details } = toCniError(error);
  return new CniError(cniCode, `failed to ${what}: ${message}`, details, { cause: error });
}
