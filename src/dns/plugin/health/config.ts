import type { Directive } from '../../corefile/parse.ts';
import {
  expectArgs,
  fail,
  type ListenAddress,
  oneArg,
  parseDurationMs,
  parseListenAddress,
} from '../../corefile/values.ts';

const DEFAULT_ADDRESS: ListenAddress = { host: '', port: 8080 };

/** `health [ADDRESS] [{ lameduck DURATION }]` */
export interface HealthConfig extends ListenAddress {
  /** How long to go on serving after the order to stop. */
  readonly lameduckMs: number;
}

export function parseHealth([directive]: readonly Directive[]): HealthConfig {
  if (directive === undefined) return { ...DEFAULT_ADDRESS, lameduckMs: 0 };
  const [address] = expectArgs(directive, 0, 1);
  let lameduckMs = 0;
  for (const line of directive.body ?? []) {
    if (line.name.text !== 'lameduck') {
      fail(line.name, `health: expected lameduck, got "${line.name.text}"`);
    }
    lameduckMs = parseDurationMs(oneArg(line));
  }
  return { ...(address === undefined ? DEFAULT_ADDRESS : parseListenAddress(address)), lameduckMs };
}
