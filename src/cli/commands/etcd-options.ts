import type { Argv } from 'yargs';
import { type EtcdAccess, etcdAccess } from '../../cluster/etcd/access.ts';

/** The flags that say where etcd is and who asks, named as etcdctl's and kube-apiserver's. */
export interface EtcdArgs {
  'etcd-endpoints': string | undefined;
  'etcd-prefix': string;
  'etcd-cacert': string | undefined;
  'etcd-cert': string | undefined;
  'etcd-key': string | undefined;
  'etcd-username': string | undefined;
  'etcd-password-file': string | undefined;
}

/** An etcd, and where in it the objects are. */
export interface EtcdPlace {
  readonly access: EtcdAccess;
  readonly prefix: string;
}

const GROUP = 'etcd:';
const PREFIX = '/podwire';

const file = (describe: string) => ({ type: 'string', group: GROUP, describe }) as const;

/** Adds the flags to a command. `describe` says what the endpoints are for. */
export function withEtcdFlags<T>(yargs: Argv<T>, describe: string): Argv<T & EtcdArgs> {
  return yargs
    .option('etcd-endpoints', { type: 'string', group: GROUP, describe })
    .option('etcd-prefix', {
      type: 'string',
      default: PREFIX,
      group: GROUP,
      describe: 'what the keys of objects begin with',
    })
    .option('etcd-cacert', file('file of the certificate authorities that etcd is trusted by'))
    .option('etcd-cert', file('file of the certificate that etcd is shown'))
    .option('etcd-key', file('file of its key'))
    .option('etcd-username', file('the user, where etcd asks for one'))
    .option('etcd-password-file', file("file of the user's password"));
}

/** What the flags mean; undefined without endpoints. Throws an Error that names the flag. */
export function etcdPlace(args: EtcdArgs): EtcdPlace | undefined {
  const { 'etcd-endpoints': endpoints, 'etcd-prefix': prefix } = args;
  if (endpoints === undefined) return undefined;
  if (!/^\/[^\s]*[^\s/]$/.test(prefix)) {
    throw new Error(`--etcd-prefix: expected a path such as ${PREFIX}, got "${prefix}"`);
  }
  const access = etcdAccess({
    endpoints,
    cacert: args['etcd-cacert'],
    cert: args['etcd-cert'],
    key: args['etcd-key'],
    username: args['etcd-username'],
    passwordFile: args['etcd-password-file'],
  });
  return { access, prefix };
}
