import { readFileSync, statSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { PodwireError } from '../../errors.ts';

/** Longer tokens, keys and bundles of certificates are a mistake. */
const CREDENTIAL_BYTES_MAX = 1 << 20;

/** What a TLS connection presents and trusts. */
export interface TlsMaterial extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> {
  /** The name the server's certificate must have, in place of the URL's. */
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Credentials or a configuration that can't be used. */
export class AccessError extends PodwireError {
  constructor(problem: string, options?: ErrorOptions) {
    super('ERR_ACCESS', problem, options);
  }
}

/** Something that is in a file, or was given itself. */
export type Credential = { readonly file: string } | { readonly data: string | Buffer };

/** What it is now. Throws AccessError that says `what` could not be read. */
export function readCredential(what: string, credential: Credential): string | Buffer {
  if ('data' in credential) return credential.data;
  const { file } = credential;
  try {
    const { size } = statSync(file);
    if (size > CREDENTIAL_BYTES_MAX) {
      throw new AccessError(`${what}: ${file}: ${size} bytes, at most ${CREDENTIAL_BYTES_MAX}`);
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof AccessError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new AccessError(`${what}: expected a readable file, got "${file}" (${code})`, {
      cause: error,
    });
  }
}
