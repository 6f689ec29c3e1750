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

/** Where an API server is, and who asks. Whatever is in files is read again each time. */
export interface Access {
  readonly server: URL;
  /** For a connection that is made now. Rejects with AccessError. */
  tls(): Promise<TlsMaterial>;
  /** The value of the header Authorization for a request that is made now. Rejects with AccessError. */
  authorization(): Promise<string | undefined>;
  /** The server does not know who asks: what was kept of credentials is not to be used again. */
  refused(): void;
}

/** Credentials or a configuration that can't be used. */
export class AccessError extends PodwireError {
  constructor(problem: string, options?: ErrorOptions) {
    super('ERR_KUBE_ACCESS', problem, options);
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

/** The header for a bearer token (RFC 6750 2.1). Throws AccessError when it can't be one. */
export function bearer(what: string, token: string | Buffer): string {
  const text = token.toString().trim();
  if (/^[\x21-\x7e]+$/.test(text)) return `Bearer ${text}`;
  const problem = text === '' ? 'it is empty' : 'it has characters a header can not have';
  throw new AccessError(`${what}: expected a token, ${problem}`);
}
