import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, fail, type ListenAddress, parseListenAddress } from '../../corefile/values.ts';

const DEFAULT_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 9153 };

/** `prometheus [ADDRESS]` */
export type PrometheusConfig = ListenAddress;

export function parsePrometheus([directive]: readonly Directive[]): PrometheusConfig {
  if (directive === undefined) return DEFAULT_ADDRESS;
  const [address] = expectArgs(directive, 0, 1);
  for (const { name } of directive.body ?? []) {
    if (name.text !== 'runtime_metrics') fail(name, `prometheus: unexpected "${name.text}"`);
  }
  return address === undefined ? DEFAULT_ADDRESS : parseListenAddress(address);
}
