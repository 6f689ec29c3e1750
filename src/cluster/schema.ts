import * as v from 'valibot';
import { tryParseAddrLenient } from '../ipaddr/parse-addr.ts';
import { tryParsePrefix } from '../ipaddr/prefix.ts';

/*
 * The shape of the Kubernetes objects podwire reads, as they stand in YAML or JSON. Fields that are
 * not listed are let through unread, for the API has many more. Every message says what was
 * expected; the place is added by who reports it.
 */

export const ENDPOINTS_MAX = 1000; // discovery.k8s.io/v1: "may contain a maximum of 1000 endpoints"
/** Of one endpoint (the same). */
export const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000; // of a slice, as the API server has it; a Service has as many as fit
/** Longer lists of anything else are refused; the API server has no smaller limit. */
const LIST_MAX = 10_000;

/** RFC 1123 label, or several with dots between (subdomain). */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const label = (what: string) =>
  v.pipe(
    v.string(`expected ${what}, a string`),
    v.regex(LABEL, `expected ${what}: at most 63 of a-z, 0-9 and "-", with no "-" at an end`),
  );

const subdomain = (what: string) =>
  v.pipe(
    v.string(`expected ${what}, a string`),
    v.regex(SUBDOMAIN, `expected ${what}: labels of a-z, 0-9 and "-" with dots between`),
  );

const text = (what: string) => v.string(`expected ${what}, a string`);
const withoutFinalDot = v.transform((name: string) => name.replace(/\.$/, ''));

const port = v.pipe(
  v.number('expected a port number from 1 to 65535'),
  v.integer('expected a port number from 1 to 65535'),
  v.minValue(1, 'expected a port number from 1 to 65535'),
  v.maxValue(65535, 'expected a port number from 1 to 65535'),
);

const protocol = v.optional(
  v.picklist(['TCP', 'UDP', 'SCTP'], 'expected "TCP", "UDP" or "SCTP"'),
  'TCP',
);

const CLUSTER_IP = 'expected an IP address or "None"';
const isClusterIP = (text: string) => text === 'None' || tryParseAddrLenient(text) !== undefined;
const clusterIP = v.pipe(v.string(CLUSTER_IP), v.check(isClusterIP, CLUSTER_IP));

const NODE_PORT = 'expected a node port from 0 to 65535';
/** 0 stands for "none assigned". */
const nodePort = v.optional(
  v.pipe(
    v.number(NODE_PORT),
    v.integer(NODE_PORT),
    v.minValue(0, NODE_PORT),
    v.maxValue(65535, NODE_PORT),
  ),
);

const ADDRESS = 'expected an IP address';
/** Addresses of old objects may have leading zeros (KEP-4858); they are read as decimal. */
const address = v.pipe(
  v.string(ADDRESS),
  v.check((text) => tryParseAddrLenient(text) !== undefined, ADDRESS),
);

const CIDR = 'expected an IP prefix such as 10.0.0.0/8';
const cidr = v.pipe(
  v.string(CIDR),
  v.transform((text) => text.trim()),
  v.check((text) => tryParsePrefix(text) !== undefined, CIDR),
);

const listOf = <T extends v.GenericSchema>(item: T, max: number, what: string) =>
  v.optional(
    v.nullable(
      v.pipe(
        v.array(item, `expected a list of ${what}`),
        v.maxLength(max, `expected at most ${max} ${what}`),
      ),
    ),
  );

const trafficPolicy = v.optional(v.picklist(['Cluster', 'Local'], 'expected "Cluster" or "Local"'));

const AFFINITY_SECONDS = 'expected seconds from 1 to 86400';

const strings = v.optional(
  v.record(v.string(), v.string('expected a string'), 'expected a map of strings'),
  {},
);

const metadata = v.object(
  {
    name: subdomain('a name'),
    namespace: v.optional(label('a namespace'), 'default'),
    labels: strings,
    annotations: strings,
  },
  'expected metadata with a name',
);

const portName = v.optional(v.union([label('a port name'), v.literal('')], 'expected a port name'));

/** core/v1 Service. */
export const serviceSchema = v.object({
  metadata,
  spec: v.object(
    {
      type: v.optional(
        v.picklist(
          ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
          'expected "ClusterIP", "NodePort", "LoadBalancer" or "ExternalName"',
        ),
        'ClusterIP',
      ),
      // An empty string stands for "not assigned yet".
      clusterIP: v.optional(
        v.pipe(
          v.string(CLUSTER_IP),
          v.check((text) => text === '' || isClusterIP(text), CLUSTER_IP),
        ),
      ),
      clusterIPs: v.optional(
        v.pipe(
          v.array(clusterIP, 'expected a list of addresses'),
          v.maxLength(2, 'expected at most two addresses, one of each family'),
        ),
      ),
      // The API takes one with a dot at its end, too; it means the same.
      externalName: v.optional(
        v.pipe(text('a DNS name'), withoutFinalDot, subdomain('a DNS name')),
      ),
      ports: v.optional(
        v.pipe(
          v.array(
            v.object(
              { name: portName, protocol, port, nodePort },
              'expected a port with its number',
            ),
            'expected a list of ports',
          ),
          v.maxLength(PORTS_MAX, `expected at most ${PORTS_MAX} ports`),
        ),
        [],
      ),
      externalIPs: listOf(address, LIST_MAX, 'addresses'),
      externalTrafficPolicy: trafficPolicy,
      internalTrafficPolicy: trafficPolicy,
      sessionAffinity: v.optional(
        v.picklist(['None', 'ClientIP'], 'expected "None" or "ClientIP"'),
        'None',
      ),
      sessionAffinityConfig: v.optional(
        v.nullable(
          v.object({
            clientIP: v.optional(
              v.nullable(
                v.object({
                  timeoutSeconds: v.optional(
                    v.pipe(
                      v.number(AFFINITY_SECONDS),
                      v.integer(AFFINITY_SECONDS),
                      v.minValue(1, AFFINITY_SECONDS),
                      v.maxValue(86_400, AFFINITY_SECONDS),
                    ),
                  ),
                }),
              ),
            ),
          }),
        ),
      ),
      loadBalancerSourceRanges: listOf(cidr, LIST_MAX, 'IP prefixes'),
      healthCheckNodePort: nodePort,
    },
    'expected the spec of a Service',
  ),
  status: v.optional(
    v.object({
      loadBalancer: v.optional(
        v.object({
          ingress: listOf(
            v.object({
              ip: v.optional(address),
              ipMode: v.optional(v.picklist(['VIP', 'Proxy'], 'expected "VIP" or "Proxy"')),
            }),
            LIST_MAX,
            'ingress points',
          ),
        }),
      ),
    }),
  ),
});

/** core/v1 Node. */
export const nodeSchema = v.object({
  metadata: v.object({
    name: subdomain('a name'),
    labels: strings,
    annotations: strings,
    deletionTimestamp: v.optional(v.nullable(v.string('expected a time'))),
  }),
  spec: v.optional(
    v.object({
      podCIDR: v.optional(v.string(CIDR)),
      podCIDRs: listOf(cidr, 2, 'IP prefixes'),
      taints: listOf(
        v.object({ key: v.string('expected the key of a taint') }),
        LIST_MAX,
        'taints',
      ),
    }),
    {},
  ),
  status: v.optional(
    v.object({
      addresses: listOf(
        v.object({ type: v.string('expected a type'), address: v.string('expected an address') }),
        LIST_MAX,
        'addresses',
      ),
    }),
    {},
  ),
});

/** networking.k8s.io/v1 ServiceCIDR. */
export const serviceCidrSchema = v.object({
  metadata: v.object({ name: subdomain('a name'), labels: strings, annotations: strings }),
  spec: v.object({ cidrs: listOf(cidr, 2, 'IP prefixes') }, 'expected the spec of a ServiceCIDR'),
});

const condition = v.optional(v.nullable(v.boolean('expected true or false')));

/** All of an EndpointSlice but its endpoints. */
export const emptySliceSchema = v.object({
  metadata,
  addressType: v.picklist(['IPv4', 'IPv6', 'FQDN'], 'expected "IPv4", "IPv6" or "FQDN"'),
  ports: v.optional(
    v.nullable(
      v.pipe(
        v.array(
          v.object(
            { name: portName, protocol, port: v.optional(v.nullable(port)) },
            'expected a port with its number',
          ),
          'expected a list of ports',
        ),
        v.maxLength(PORTS_MAX, `expected at most ${PORTS_MAX} ports`),
      ),
    ),
  ),
});

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceSchema = v.object({
  ...emptySliceSchema.entries,
  endpoints: v.optional(
    v.nullable(
      v.pipe(
        v.array(
          v.object(
            {
              addresses: v.pipe(
                v.array(v.string('expected an address'), 'expected a list of addresses'),
                v.minLength(1, 'expected at least one address'),
                v.maxLength(ADDRESSES_MAX, `expected at most ${ADDRESSES_MAX} addresses`),
              ),
              hostname: v.optional(label('a host name')),
              nodeName: v.optional(v.string('expected a node name')),
              zone: v.optional(v.string('expected a zone')),
              hints: v.optional(
                v.nullable(
                  v.object({
                    forZones: listOf(
                      v.object({ name: v.string('expected a zone') }),
                      ADDRESSES_MAX,
                      'zones',
                    ),
                    forNodes: listOf(
                      v.object({ name: v.string('expected a node name') }),
                      ADDRESSES_MAX,
                      'nodes',
                    ),
                  }),
                ),
              ),
              targetRef: v.optional(
                v.object(
                  { kind: v.optional(v.string()), name: v.optional(v.string()) },
                  'expected a reference to an object',
                ),
              ),
              conditions: v.optional(
                v.object(
                  { ready: condition, serving: condition, terminating: condition },
                  'expected conditions',
                ),
                {},
              ),
            },
            'expected an endpoint with its addresses',
          ),
          'expected a list of endpoints',
        ),
        v.maxLength(ENDPOINTS_MAX, `expected at most ${ENDPOINTS_MAX} endpoints`),
      ),
    ),
  ),
});

/** core/v1 Namespace. */
export const namespaceSchema = v.object({ metadata });

/** core/v1 Pod. */
export const podSchema = v.object({
  metadata: v.object(
    { ...metadata.entries, deletionTimestamp: v.optional(v.string()) },
    'expected metadata with a name',
  ),
  status: v.optional(
    v.object(
      {
        phase: v.optional(v.string('expected the phase of a Pod')),
        podIP: v.optional(address),
        podIPs: v.optional(
          v.pipe(
            v.array(v.object({ ip: address }, 'expected an object with ip'), 'expected a list'),
            v.maxLength(2, 'expected at most two addresses, one of each family'),
          ),
        ),
      },
      'expected the status of a Pod',
    ),
    {},
  ),
});

/** multicluster.x-k8s.io/v1alpha1 ServiceImport. */
export const serviceImportSchema = v.object({
  metadata,
  spec: v.object(
    {
      type: v.picklist(['ClusterSetIP', 'Headless'], 'expected "ClusterSetIP" or "Headless"'),
      ips: v.optional(
        v.pipe(
          v.array(address, 'expected a list of addresses'),
          v.maxLength(2, 'expected at most two addresses, one of each family'),
        ),
        [],
      ),
      ports: v.optional(
        v.pipe(
          v.array(
            v.object({ name: portName, protocol, port }, 'expected a port with its number'),
            'expected a list of ports',
          ),
          v.maxLength(PORTS_MAX, `expected at most ${PORTS_MAX} ports`),
        ),
        [],
      ),
    },
    'expected the spec of a ServiceImport',
  ),
});
