import { type EtcdSettings, etcdAccess } from '../../../src/cluster/etcd/access.ts';
import { EtcdSource, type EtcdSourceOptions } from '../../../src/cluster/etcd/source.ts';
import { type Followed, followSource } from '../cluster/followed.ts';

const PATIENCE = { timeout: 20_000, interval: 10 };

export const PREFIX = '/podwire';

/** Where a Service is in etcd. */
export const keyOf = (name: string): string => `${PREFIX}/v1/services/default/${name}`;

/** A Service as etcd has it. */
export const service = (name: string, clusterIP = '10.96.0.1', more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, ports: [{ port: 80 }] },
    ...more,
  });

/** Starts to follow etcd. */
export function follow(
  settings: EtcdSettings,
  limits: EtcdSourceOptions['limits'] = {},
): Followed<EtcdSource> {
  const options = {
    access: etcdAccess(settings),
    prefix: PREFIX,
    userAgent: 'podwire/test',
    limits,
  };
  return followSource((part, events) => new EtcdSource(part, options, events), {
    ...PATIENCE,
    tellsSynced: true,
  });
}
