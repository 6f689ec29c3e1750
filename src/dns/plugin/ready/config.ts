import type { Directive } from '../../corefile/parse.ts';
import {
  expectArgs,
  fail,
  type ListenAddress,
  oneArg,
  oneOf,
  parseListenAddress,
} from '../../corefile/values.ts';

const DEFAULT_ADDRESS: ListenAddress = { host: '', port: 8181 };

/** `ready [ADDRESS] [{ monitor until-ready|continuously }]` */
export interface ReadyConfig extends ListenAddress {
  readonly monitor: 'until-ready' | 'continuously';
}

export function parseReady([directive]: readonly Directive[]): ReadyConfig {
  let monitor: ReadyConfig['monitor'] = 'until-ready';
  if (directive === undefined) return { ...DEFAULT_ADDRESS, monitor };
  const [address] = expectArgs(directive, 0, 1);
  for (const line of directive.body ?? []) {
    if (line.name.text !== 'monitor') {
      fail(line.name, `ready: expected monitor, got "${line.name.text}"`);
    }
    monitor = oneOf(oneArg(line), ['until-ready', 'continuously']);
  }
  return { ...(address === undefined ? DEFAULT_ADDRESS : parseListenAddress(address)), monitor };
}
