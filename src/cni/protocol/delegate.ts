import type { Verb } from './environment.ts';
import { execPlugin, findPlugin, parseOutput } from './exec.ts';
import type { Attachment, Call, Plugin } from './plugin.ts';
import type { Result } from './result.ts';
import { decodeResult } from './result-decode.ts';

/** The type of the IPAM plugin a configuration names, or empty. Throws CniError. */
function ipamType({ config }: Call): string {
  const ipam = config.fields.object('ipam');
  const type = ipam?.string('type') ?? '';
  // Such a plugin would call itself without end.
  if (type !== '' && type === config.fields.string('type')) {
    throw (ipam ?? config.fields).wrong('type', 'an IPAM plugin', type);
  }
  return type;
}

/** Whether addresses come from an IPAM plugin. Throws CniError. */
export function hasIpam(call: Call): boolean {
  return ipamType(call) !== '';
}

/** Has the IPAM plugin give addresses. Throws its error. */
export function ipamAdd(call: Call): Result {
  return delegate(
    call,
    'ADD',
    (plugin) => plugin.add(call),
    (output) => {
      // What can't be read was given all the same, and nobody else will give it back.
      using undo = new DisposableStack();
      undo.defer(() => ipamDel(call));
      const result = decodeResult(parseOutput(output, 'ipam result'), call.config.version);
      undo.move();
      return result;
    },
  );
}

/** Has the IPAM plugin take back what `ipamAdd` gave. Throws its error. */
export function ipamDel(call: Call): void {
  delegate(call, 'DEL', (plugin) => plugin.del(call));
}

export function ipamCheck(call: Call): void {
  delegate(call, 'CHECK', (plugin) => plugin.check(call));
}

export function ipamGc(call: Call, valid: readonly Attachment[]): void {
  delegate(call, 'GC', (plugin) => plugin.gc?.(call, valid));
}

export function ipamStatus(call: Call): void {
  delegate(call, 'STATUS', (plugin) => plugin.status?.(call));
}

/**
 * Calls the IPAM plugin in this process where it is one of ours, else its executable, with the same
 * configuration and environment, and reads what that prints.
 */
function delegate(call: Call, verb: Verb, work: (plugin: Plugin) => void): void;
function delegate<T>(
  call: Call,
  verb: Verb,
  work: (plugin: Plugin) => T,
  read: (output: string) => T,
): T;
function delegate<T>(
  call: Call,
  verb: Verb,
  work: (plugin: Plugin) => T,
  read?: (output: string) => T,
): T | undefined {
  const type = ipamType(call);
  const plugin = call.inProcess.get(type);
  if (plugin !== undefined) return work(plugin);
  const file = findPlugin(type, call.environment.path);
  const env = { ...call.env, CNI_COMMAND: verb };
  const output = execPlugin(file, env, JSON.stringify(call.config.fields.raw));
  return read?.(output);
}
