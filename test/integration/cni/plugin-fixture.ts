import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Netns } from '../../../src/sys/netns.ts';

/** Where `make build` leaves the plugins. */
export const CNI_BIN = join(import.meta.dirname, '../../../dist/cni');

if (!existsSync(join(CNI_BIN, 'bridge'))) throw new Error('dist/cni is missing: run make build');

/** One call of a plugin. */
export interface PluginCall {
  readonly type: string;
  readonly verb: string;
  readonly config: object;
  readonly env?: Readonly<Record<string, string>>;
  /** The directory of the plugins, ours by default. */
  readonly bin?: string;
  /** After so long the process is killed by SIGKILL, and its `status` is null; by default never. */
  readonly killAfterMs?: number | undefined;
}

export interface PluginAnswer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON on stdout; empty when there is none. */
  readonly json: Record<string, unknown>;
}

/** Runs the plugin's executable in `netns`, or where we are, as a runtime does. */
export function callPlugin(call: PluginCall, netns?: Netns): PluginAnswer {
  const run = (): PluginAnswer => {
    const { status, stdout, stderr } = spawnSync(join(call.bin ?? CNI_BIN, call.type), [], {
      env: environment(call),
      input: JSON.stringify(call.config),
      encoding: 'utf8',
    });
    return { status, stdout, stderr, json: parse(stdout) };
  };
  return netns === undefined ? run() : netns.run(run);
}

/** Starts the plugin's executable in `netns`, or where we are, and gives its answer when it ends. */
export async function startPlugin(call: PluginCall, netns?: Netns): Promise<PluginAnswer> {
  const kill =
    call.killAfterMs === undefined
      ? {}
      : { timeout: Math.ceil(call.killAfterMs), killSignal: 'SIGKILL' as const };
  const start = () =>
    spawn(join(call.bin ?? CNI_BIN, call.type), [], { env: environment(call), ...kill });
  const child = netns === undefined ? start() : netns.run(start);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // It may be killed before it has read it.
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(call.config));
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  const status = await promise;
  return { status, stdout, stderr, json: parse(stdout) };
}

function environment({ verb, env, bin = CNI_BIN }: PluginCall): Record<string, string> {
  return { CNI_COMMAND: verb, CNI_PATH: bin, CNI_IFNAME: 'eth0', ...env };
}

function parse(text: string): Record<string, unknown> {
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
