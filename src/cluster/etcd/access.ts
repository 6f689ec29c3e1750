import { AccessError, readCredential, type TlsMaterial } from '../connect/credential.ts';

/** A cluster has seven members at most that are of use. */
const ENDPOINTS_MAX = 32;

/** Where etcd is, and who asks. */
export interface EtcdAccess {
  /** One or several members; any of them will do. */
  readonly endpoints: readonly URL[];
  /** For a connection that is made now; files are read again each time. Rejects with AccessError. */
  tls(): Promise<TlsMaterial>;
  /** The user, where etcd asks for one; the password is read again each time. Throws AccessError. */
  user(): { readonly name: string; readonly password: string } | undefined;
}

/** Tells one etcd, and the objects below one prefix, from others, however its members are listed. */
export function etcdOrigin({ endpoints }: EtcdAccess, prefix: string): string {
  const members = endpoints.map(({ origin }) => origin).sort((a, b) => (a < b ? -1 : 1));
  return `etcd ${members.join(',')} ${prefix}`;
}

/** What users say of it. Files are named by their paths. */
export interface EtcdSettings {
  /** URLs. */
  readonly endpoints: readonly string[];
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** What settings mean. Throws AccessError that names the setting, its value and what was expected. */
export function etcdAccess(settings: EtcdSettings): EtcdAccess {
  const { cacert, cert, key, username, passwordFile } = settings;
  together('etcd-cert', cert, 'etcd-key', key);
  together('etcd-username', username, 'etcd-password-file', passwordFile);
  const isTls = [cacert, cert].some((file) => file !== undefined);
  const endpoints = settings.endpoints.map((text) => endpointOf(text, isTls));
  if (endpoints.length === 0 || endpoints.length > ENDPOINTS_MAX) {
    const problem = `expected one to ${ENDPOINTS_MAX}, got ${endpoints.length}`;
    throw new AccessError(`etcd-endpoints: ${problem}`);
  }
  const access: EtcdAccess = {
    endpoints,
    tls: async () => ({
      ...(cacert === undefined ? {} : { ca: read('etcd-cacert', cacert) }),
      ...(cert === undefined ? {} : { cert: read('etcd-cert', cert) }),
      ...(key === undefined ? {} : { key: read('etcd-key', key) }),
    }),
    user: () => {
      if (username === undefined || passwordFile === undefined) return undefined;
      const password = read('etcd-password-file', passwordFile)
        .toString()
        .replace(/\r?\n$/, '');
      return { name: username, password };
    },
  };
  // What is missing now is a mistake of who typed it; later on it is tried again.
  access.user();
  for (const [name, file] of Object.entries({ cacert, cert, key })) {
    if (file !== undefined) read(`etcd-${name}`, file);
  }
  return access;
}

function read(setting: string, file: string): string | Buffer {
  return readCredential(setting, { file });
}

function together(
  setting: string,
  value: string | undefined,
  other: string,
  otherValue: string | undefined,
): void {
  if ((value === undefined) === (otherValue === undefined)) return;
  const [given, missing] = value === undefined ? [other, setting] : [setting, other];
  throw new AccessError(`${given}: expected ${missing} beside it`);
}

function endpointOf(text: string, isTls: boolean): URL {
  const url = URL.parse(text);
  const isBare = url !== null && ['', '/'].includes(url.pathname) && url.search === '';
  if (!isBare || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    throw new AccessError(
      `etcd-endpoints: expected URLs such as https://10.0.0.1:2379, got "${text}"`,
    );
  }
  if (isTls && url.protocol === 'http:') {
    throw new AccessError(`etcd-endpoints: expected https beside certificates, got "${text}"`);
  }
  return url;
}
