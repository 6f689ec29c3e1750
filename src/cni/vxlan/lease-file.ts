import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { Fields, isObject } from '../protocol/fields.ts';

/** Ten thousand peers take a tenth of it. */
const LEASE_BYTES_MAX = 16 << 20;

/**
 * The object in a lease file. Throws CniError: code 11 where the file is missing or torn, for who
 * writes it will mend that.
 */
export function readLeaseFile(path: string): Fields {
  let text: string;
  try {
    text = readBounded(path);
  } catch (error) {
    throw unreadable(path, error instanceof Error ? error.message : String(error));
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, error instanceof Error ? error.message : String(error));
  }
  if (!isObject(value)) throw unreadable(path, 'expected a JSON object');
  return new Fields(value, path);
}

function readBounded(path: string): string {
  // A FIFO would keep us waiting for its writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new Error('expected a regular file');
    // One more octet than allowed shows that there are more.
    const bytes = Buffer.alloc(Math.min(status.size, LEASE_BYTES_MAX) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > LEASE_BYTES_MAX) throw new Error(`expected at most ${LEASE_BYTES_MAX} bytes`);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

function unreadable(path: string, why: string): CniError {
  const text = `leaseFile: expected a readable list of peers, got ${JSON.stringify(path)}`;
  return new CniError(CNI_CODE.tryAgainLater, text, why);
}
