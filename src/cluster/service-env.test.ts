import { describe, expect, it } from 'vitest';
import { decodeObject } from './decode.ts';
import type { ClusterObject } from './objects.ts';
import { serviceEnv } from './service-env.ts';
import { Store } from './store.ts';

interface Spec {
  readonly clusterIP?: string;
  readonly type?: string;
  readonly externalName?: string;
  readonly ports?: readonly { name?: string; port: number; protocol?: string }[];
}

const service = (name: string, spec: Spec, namespace = 'default'): ClusterObject =>
  decodeObject({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { ports: [{ port: 80 }], ...spec },
  }) as ClusterObject;

const lines = (
  services: readonly ClusterObject[],
  namespace = 'default',
  enableServiceLinks?: boolean,
): string[] => {
  const store = new Store();
  store.replace(services);
  const variables = serviceEnv(store, namespace, enableServiceLinks);
  return variables.map(([name, value]) => `${name}=${value}`);
};

describe('serviceEnv', () => {
  // What envvars.FromServices of kubernetes v1.36.3 gives for the same Services, in its order.
  it.each<[string, ClusterObject, string[]]>([
    [
      'one port without a name',
      service('web', { clusterIP: '10.96.0.20' }),
      [
        'WEB_SERVICE_HOST=10.96.0.20',
        'WEB_SERVICE_PORT=80',
        'WEB_PORT=tcp://10.96.0.20:80',
        'WEB_PORT_80_TCP=tcp://10.96.0.20:80',
        'WEB_PORT_80_TCP_PROTO=tcp',
        'WEB_PORT_80_TCP_PORT=80',
        'WEB_PORT_80_TCP_ADDR=10.96.0.20',
      ],
    ],
    [
      'several ports and protocols',
      service('redis-master', {
        clusterIP: '10.0.0.11',
        ports: [
          { name: 'client-port', port: 6379 },
          { name: 'p2p', port: 6379, protocol: 'UDP' },
          { name: 'sctp', port: 7000, protocol: 'SCTP' },
        ],
      }),
      [
        'REDIS_MASTER_SERVICE_HOST=10.0.0.11',
        'REDIS_MASTER_SERVICE_PORT=6379',
        'REDIS_MASTER_SERVICE_PORT_CLIENT_PORT=6379',
        'REDIS_MASTER_SERVICE_PORT_P2P=6379',
        'REDIS_MASTER_SERVICE_PORT_SCTP=7000',
        'REDIS_MASTER_PORT=tcp://10.0.0.11:6379',
        'REDIS_MASTER_PORT_6379_TCP=tcp://10.0.0.11:6379',
        'REDIS_MASTER_PORT_6379_TCP_PROTO=tcp',
        'REDIS_MASTER_PORT_6379_TCP_PORT=6379',
        'REDIS_MASTER_PORT_6379_TCP_ADDR=10.0.0.11',
        'REDIS_MASTER_PORT_6379_UDP=udp://10.0.0.11:6379',
        'REDIS_MASTER_PORT_6379_UDP_PROTO=udp',
        'REDIS_MASTER_PORT_6379_UDP_PORT=6379',
        'REDIS_MASTER_PORT_6379_UDP_ADDR=10.0.0.11',
        'REDIS_MASTER_PORT_7000_SCTP=sctp://10.0.0.11:7000',
        'REDIS_MASTER_PORT_7000_SCTP_PROTO=sctp',
        'REDIS_MASTER_PORT_7000_SCTP_PORT=7000',
        'REDIS_MASTER_PORT_7000_SCTP_ADDR=10.0.0.11',
      ],
    ],
    [
      'IPv6',
      service('six', {
        clusterIP: 'fd00:96::20',
        ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
      }),
      [
        'SIX_SERVICE_HOST=fd00:96::20',
        'SIX_SERVICE_PORT=53',
        'SIX_SERVICE_PORT_DNS=53',
        'SIX_PORT=udp://[fd00:96::20]:53',
        'SIX_PORT_53_UDP=udp://[fd00:96::20]:53',
        'SIX_PORT_53_UDP_PROTO=udp',
        'SIX_PORT_53_UDP_PORT=53',
        'SIX_PORT_53_UDP_ADDR=fd00:96::20',
      ],
    ],
    [
      'names with digits and dashes',
      service('9-lives', { clusterIP: '10.0.0.9', ports: [{ name: 'a-1-b', port: 65535 }] }),
      [
        '9_LIVES_SERVICE_HOST=10.0.0.9',
        '9_LIVES_SERVICE_PORT=65535',
        '9_LIVES_SERVICE_PORT_A_1_B=65535',
        '9_LIVES_PORT=tcp://10.0.0.9:65535',
        '9_LIVES_PORT_65535_TCP=tcp://10.0.0.9:65535',
        '9_LIVES_PORT_65535_TCP_PROTO=tcp',
        '9_LIVES_PORT_65535_TCP_PORT=65535',
        '9_LIVES_PORT_65535_TCP_ADDR=10.0.0.9',
      ],
    ],
    ['a headless Service', service('headless', { clusterIP: 'None' }), []],
    ['one without an address', service('unassigned', { clusterIP: '' }), []],
    [
      'one that is outside',
      service('outside', { type: 'ExternalName', externalName: 'example.com' }),
      [],
    ],
  ])('gives what kubelet gives: %s', (_, object, expected) => {
    expect(lines([object])).toEqual(expected);
  });

  const hosts = (...args: Parameters<typeof lines>) =>
    lines(...args).filter((line) => line.includes('_SERVICE_HOST'));

  // The rules of getServiceEnvVarMap in kubelet_pods.go.
  it('tells every namespace of the master Service, and of its own others alone', () => {
    const master = service('kubernetes', { clusterIP: '10.96.0.1' });
    const all = [
      service('web', { clusterIP: '10.96.0.2' }, 'other'),
      master,
      service('api', { clusterIP: '10.96.0.3' }),
      service('app', { clusterIP: '10.96.0.4' }, 'other'),
    ];
    const kubernetes = 'KUBERNETES_SERVICE_HOST=10.96.0.1';
    expect(hosts(all, 'other')).toEqual([
      'APP_SERVICE_HOST=10.96.0.4',
      kubernetes,
      'WEB_SERVICE_HOST=10.96.0.2',
    ]);
    expect(hosts(all)).toEqual(['API_SERVICE_HOST=10.96.0.3', kubernetes]);
    expect(hosts(all, 'empty')).toEqual([kubernetes]);
    for (const namespace of ['default', 'other']) {
      expect(hosts(all, namespace, false)).toEqual([kubernetes]);
    }
  });

  it("goes by a namespace's own Service of the master's name, wherever it stands", () => {
    const own = service('kubernetes', { clusterIP: '10.96.9.9' }, 'other');
    const master = service('kubernetes', { clusterIP: '10.96.0.1' });
    for (const all of [
      [own, master],
      [master, own],
    ]) {
      expect(hosts(all, 'other')).toEqual(['KUBERNETES_SERVICE_HOST=10.96.9.9']);
      expect(hosts(all, 'other', false)).toEqual(['KUBERNETES_SERVICE_HOST=10.96.0.1']);
    }
  });

  it('has each name once: of two Services the later one', () => {
    const all = [
      service('a', { clusterIP: '10.0.0.1' }),
      service('a-port-80-tcp', { clusterIP: '10.0.0.2', ports: [{ port: 81 }] }),
    ];
    const found = lines(all).filter((line) => line.startsWith('A_PORT_80_TCP_PORT='));
    expect(found).toEqual(['A_PORT_80_TCP_PORT=tcp://10.0.0.2:81']);
  });
});
