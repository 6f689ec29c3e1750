import * as v from 'valibot';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';
import { noSuchField } from '../config/nearest.ts';
import { parseBindAddress } from './bind-address.ts';
import { HEALTHZ_PORT, LOCAL_MODES, METRICS_PORT } from './settings.ts';
import {
  checkInteger,
  parseClusterCIDRs,
  parseDurationMs,
  parseNodePortAddresses,
} from './values.ts';

/*
 * KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1 (k8s.io/kube-proxy/config/v1alpha1/types.go),
 * with all its fields: one that is not here is a mistake. A field that is null is one that is absent.
 */

const INT32_MAX = 2 ** 31 - 1;
const LIST_MAX = 1000;

/** A field that may be absent or null, which are the same. */
const maybe = <T extends v.GenericSchema>(schema: T) =>
  v.pipe(
    v.optional(v.nullable(schema)),
    v.transform((value) => value ?? undefined),
  );

/** What a function makes of a value; what it throws is what is wrong. */
const by = <I, O>(parse: (value: I) => O) =>
  v.rawTransform<I, O>(({ dataset, addIssue, NEVER }) => {
    try {
      return parse(dataset.value);
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : String(error) });
      return NEVER;
    }
  });

const text = v.string('expected a string');
const number = v.number('expected a number');
const bool = maybe(v.boolean('expected true or false'));
const string = maybe(text);
const anyNumber = maybe(number);
const duration = maybe(v.pipe(text, by(parseDurationMs)));
const integer = (min: number, max = INT32_MAX) =>
  maybe(
    v.pipe(
      number,
      by((value) => checkInteger(value, min, max)),
    ),
  );
const listOf = <T extends v.GenericSchema>(item: T) =>
  v.pipe(
    v.array(item, 'expected a list'),
    v.maxLength(LIST_MAX, `expected at most ${LIST_MAX} items`),
  );
const object = <T extends v.ObjectEntries>(entries: T) =>
  v.strictObject(entries, ({ expected, received }) => {
    if (expected === 'never') {
      return noSuchField(received.replaceAll('"', ''), Object.keys(entries));
    }
    return expected === 'Object' ? 'expected an object' : 'expected this field';
  });
const oneOf = <const T extends readonly string[]>(values: T) => {
  const quoted = values.map((value) => `"${value}"`).join(', ');
  return maybe(v.picklist(['', ...values], `expected one of ${quoted}`));
};
const bindAddress = (port: number) => {
  const parse = (value: string) => parseBindAddress(value, port);
  return maybe(v.pipe(text, by(parse)));
};
/** Kubernetes' quantities come as text or as plain numbers. */
const quantity = maybe(v.union([v.string(), v.number()], 'expected a quantity'));
const masqueradeBit = integer(0, 31);
const sync = { syncPeriod: duration, minSyncPeriod: duration };
const output = maybe(object({ splitStream: bool, infoBufferSize: quantity }));

/** The whole file. */
export const kubeProxySchema = object({
  apiVersion: v.literal(
    'kubeproxy.config.k8s.io/v1alpha1',
    'expected "kubeproxy.config.k8s.io/v1alpha1"',
  ),
  kind: v.literal('KubeProxyConfiguration', 'expected "KubeProxyConfiguration"'),
  featureGates: maybe(
    v.record(v.string(), v.boolean('expected true or false'), 'expected a map of true and false'),
  ),
  clientConnection: maybe(
    object({
      kubeconfig: string,
      acceptContentTypes: string,
      contentType: string,
      qps: anyNumber,
      burst: integer(0),
    }),
  ),
  logging: maybe(
    object({
      format: string,
      flushFrequency: maybe(v.union([v.string(), v.number()], 'expected a duration')),
      verbosity: integer(0),
      vmodule: maybe(listOf(object({ filePattern: text, verbosity: integer(0) }))),
      options: maybe(object({ text: output, json: output })),
    }),
  ),
  hostnameOverride: string,
  bindAddress: maybe(
    v.pipe(
      text,
      v.check(
        (value) => value === '' || tryParseAddrLenient(value) !== undefined,
        'expected an IP address',
      ),
    ),
  ),
  healthzBindAddress: bindAddress(HEALTHZ_PORT),
  metricsBindAddress: bindAddress(METRICS_PORT),
  bindAddressHardFail: bool,
  enableProfiling: bool,
  showHiddenMetricsForVersion: string,
  mode: oneOf(['iptables', 'ipvs', 'nftables']),
  iptables: maybe(
    object({ masqueradeBit, masqueradeAll: bool, localhostNodePorts: bool, ...sync }),
  ),
  ipvs: maybe(
    object({
      scheduler: string,
      excludeCIDRs: maybe(listOf(text)),
      strictARP: bool,
      tcpTimeout: duration,
      tcpFinTimeout: duration,
      udpTimeout: duration,
      ...sync,
    }),
  ),
  nftables: maybe(object({ masqueradeBit, masqueradeAll: bool, ...sync })),
  winkernel: maybe(
    object({
      networkName: string,
      sourceVip: string,
      enableDSR: bool,
      rootHnsEndpointName: string,
      forwardHealthCheckVip: bool,
    }),
  ),
  detectLocalMode: oneOf(LOCAL_MODES),
  detectLocal: maybe(object({ bridgeInterface: string, interfaceNamePrefix: string })),
  clusterCIDR: maybe(
    v.pipe(
      text,
      by((value) => (value === '' ? [] : parseClusterCIDRs(value.split(',')))),
    ),
  ),
  nodePortAddresses: maybe(
    v.pipe(
      listOf(text),
      by((value: string[]) => parseNodePortAddresses(value)),
    ),
  ),
  oomScoreAdj: integer(-1000, 1000),
  conntrack: maybe(
    object({
      maxPerCore: integer(0),
      min: integer(0),
      tcpEstablishedTimeout: duration,
      tcpCloseWaitTimeout: duration,
      tcpBeLiberal: bool,
      udpTimeout: duration,
      udpStreamTimeout: duration,
    }),
  ),
  configSyncPeriod: duration,
  portRange: string,
  windowsRunAsService: bool,
});

/** The file as it was read. */
export type KubeProxyConfiguration = v.InferOutput<typeof kubeProxySchema>;
