import { AccessError, type TlsMaterial } from '../connect/credential.ts';

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

/** The header for a bearer token (RFC 6750 2.1). Throws AccessError when it can't be one. */
export function bearer(what: string, token: string | Buffer): string {
  const text = token.toString().trim();
  if (/^[\x21-\x7e]+$/.test(text)) return `Bearer ${text}`;
  const problem = text === '' ? 'it is empty' : 'it has characters a header can not have';
  throw new AccessError(`${what}: expected a token, ${problem}`);
}
