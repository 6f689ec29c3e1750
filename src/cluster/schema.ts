import * as v from 'valibot';
import { tryParseAddr } from '../ipaddr/parse-addr.ts';

/*
 * The shape of the Kubernetes objects podwire reads, as they stand in YAML or JSON. Fields that are
 * not listed are let through unread, for the API has many more. Every message says what was
 * expected; the place is added by who reports it.
 */

const ENDPOINTS_MAX = 1000; // discovery.k8s.io/v1: "may contain a maximum of 1000 endpoints"
const ADDRESSES_MAX = 100;
const PORTS_MAX = 100;

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
const isClusterIP = (text: string) => text === 'None' || tryParseAddr(text) !== undefined;
const clusterIP = v.pipe(v.string(CLUSTER_IP), v.check(isClusterIP, CLUSTER_IP));

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
      externalName: v.optional(subdomain('a DNS name')),
      ports: v.optional(
        v.pipe(
          v.array(
            v.object(
              { name: portName, protocol, port, nodePort: v.optional(port) },
              'expected a port with its number',
            ),
            'expected a list of ports',
          ),
          v.maxLength(PORTS_MAX, `expected at most ${PORTS_MAX} ports`),
        ),
        [],
      ),
    },
    'expected the spec of a Service',
  ),
});

const condition = v.optional(v.nullable(v.boolean('expected true or false')));

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceSchema = v.object({
  metadata,
  addressType: v.picklist(['IPv4', 'IPv6', 'FQDN'], 'expected "IPv4", "IPv6" or "FQDN"'),
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
              zone: v.optional(v.string('expected a topology zone')),
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

/** core/v1 Namespace. */
export const namespaceSchema = v.object({ metadata });

const address = v.pipe(
  v.string('expected an IP address'),
  v.check((text) => tryParseAddr(text) !== undefined, 'expected an IP address'),
);

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
