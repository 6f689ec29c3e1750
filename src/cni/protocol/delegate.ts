import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Verb } from './environment.ts';
import { CNI_CODE, CniError } from './error.ts';
import { Fields, isObject } from './fields.ts';
import type { Attachment, Call } from './plugin.ts';
import { decodeResult, type Result } from './result.ts';

const OUTPUT_BYTES_MAX = 16 << 20;
/** An IPAM plugin that takes longer is killed. */
const TIMEOUT_MS = 120_000;

/** The type of the IPAM plugin a configuration names, or empty. */
export function ipamType(call: Call): string {
  return call.config.fields.object('ipam')?.string('type') ?? '';
}

/** Has the IPAM plugin give addresses. Throws its error. */
export function ipamAdd(call: Call): Result {
  const plugin = call.inProcess.get(ipamType(call));
  if (plugin !== undefined) return plugin.add(call);
  const output = execIpam(call, 'ADD');
  return decodeResult(new Fields(parseObject(output), 'ipam result'));
}

/** Has the IPAM plugin take back what `ipamAdd` gave. */
export function ipamDel(call: Call): void {
  const plugin = call.inProcess.get(ipamType(call));
  if (plugin === undefined) execIpam(call, 'DEL');
  else plugin.del(call);
}

export function ipamCheck(call: Call): void {
  const plugin = call.inProcess.get(ipamType(call));
  if (plugin === undefined) execIpam(call, 'CHECK');
  else plugin.check(call);
}

export function ipamGc(call: Call, valid: readonly Attachment[]): void {
  const plugin = call.inProcess.get(ipamType(call));
  if (plugin === undefined) execIpam(call, 'GC');
  else plugin.gc?.(call, valid);
}

export function ipamStatus(call: Call): void {
  const plugin = call.inProcess.get(ipamType(call));
  if (plugin === undefined) execIpam(call, 'STATUS');
  else plugin.status?.(call);
}

/** Runs the executable with the same configuration and environment, and gives its output. */
function execIpam(call: Call, verb: Verb): string {
  const file = findPlugin(ipamType(call), call.environment.path);
  return execPlugin(
    file,
    { ...call.env, CNI_COMMAND: verb },
    JSON.stringify(call.config.fields.raw),
  );
}

/** The executable of a plugin. Throws CniError when no directory has it. */
export function findPlugin(type: string, path: readonly string[]): string {
  if (type === '' || type.includes('/')) {
    throw new CniError(CNI_CODE.invalidConfig, `invalid plugin name: "${type}"`);
  }
  for (const directory of path) {
    const file = join(directory, type);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return file;
  }
  throw new CniError(
    CNI_CODE.internal,
    `failed to find plugin "${type}" in path [${path.join(' ')}]`,
  );
}

/** Runs a plugin's executable and gives its output. Throws the CniError it printed. */
export function execPlugin(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  stdin: string,
): string {
  // Loading it takes longer than most calls of a plugin whose IPAM is in this process.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, signal, stdout, stderr, error } = spawnSync(file, [], {
    env: { ...env },
    input: stdin,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) throw new CniError(CNI_CODE.internal, `${file}: ${error.message}`);
  if (status === 0) return stdout;
  let printed: unknown;
  try {
    printed = JSON.parse(stdout);
  } catch {
    const how = signal === null ? `exit status ${status}` : `killed by ${signal}`;
    throw new CniError(CNI_CODE.internal, `${file}: ${how}: ${stderr.trim() || stdout.trim()}`);
  }
  const fields = new Fields(isObject(printed) ? printed : {});
  throw new CniError(
    fields.integer('code') ?? CNI_CODE.internal,
    fields.string('msg') ?? `${file}: exit status ${status}`,
    fields.string('details') ?? '',
  );
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  throw new CniError(CNI_CODE.decode, `IPAM plugin gave no JSON object: ${text.slice(0, 200)}`);
}
