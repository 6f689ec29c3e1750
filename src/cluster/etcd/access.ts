import {
  AccessError,
  type Credential,
  readCredential,
  type TlsMaterial,
} from '../connect/credential.ts';

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

/** What users say of it, by the flags of etcdctl and kube-apiserver. Files are named by their paths. */
export interface EtcdSettings {
  /** URLs, or addresses and ports, with commas between. */
  readonly endpoints: string;
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly username?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** What settings mean. Throws AccessError that names the flag, its value and what was expected. */
export function etcdAccess(settings: EtcdSettings): EtcdAccess {
  const { cacert, cert, key, username, passwordFile } = settings;
  together('etcd-cert', cert, 'etcd-key', key);
  together('etcd-username', username, 'etcd-password-file', passwordFile);
  const isTls = [cacert, cert].some((file) => file !== undefined);
  const endpoints = settings.endpoints.split(',').map((text) => endpointOf(text.trim(), isTls));
  if (endpoints.length > ENDPOINTS_MAX) {
    throw new AccessError(
      `--etcd-endpoints: expected at most ${ENDPOINTS_MAX}, got ${endpoints.length}`,
    );
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
  for (const [flag, file] of Object.entries({ cacert, cert, key })) {
    if (file !== undefined) read(`etcd-${flag}`, file);
  }
  return access;
}

function read(flag: string, file: string): string | Buffer {
  const credential: Credential = { file };
  return readCredential(`--${flag}`, credential);
}

function together(
  flag: string,
  value: string | undefined,
  other: string,
  otherValue: string | undefined,
): void {
  if ((value === undefined) === (otherValue === undefined)) return;
  const [given, missing] = value === undefined ? [other, flag] : [flag, other];
  throw new AccessError(`--${given}: expected --${missing} beside it`);
}

/** An endpoint without a protocol is as etcdctl takes it: TLS where there is something to trust. */
function endpointOf(text: string, isTls: boolean): URL {
  const url = text.includes('://') ? text : `${isTls ? 'https' : 'http'}://${text}`;
  const parsed = URL.parse(url);
  const isBare = parsed !== null && ['', '/'].includes(parsed.pathname) && parsed.search === '';
  if (!isBare || !['http:', 'https:'].includes(parsed.protocol) || parsed.hostname === '') {
    throw new AccessError(
      `--etcd-endpoints: expected URLs such as https://10.0.0.1:2379, got "${text}"`,
    );
  }
  if (isTls && parsed.protocol === 'http:') {
    throw new AccessError(`--etcd-endpoints: expected https beside certificates, got "${text}"`);
  }
  return parsed;
}
