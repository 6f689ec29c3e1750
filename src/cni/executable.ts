import { readSync, writeSync } from 'node:fs';
import { exitNow } from '../sys/exit.ts';
import { bridge } from './bridge/plugin.ts';
import { hostLocal } from './host-local-ipam/plugin.ts';
import { ipvlan } from './ipvlan/plugin.ts';
import { loopback } from './loopback/plugin.ts';
import { macvlan } from './macvlan/plugin.ts';
import { portmap } from './portmap/plugin.ts';
import type { Plugin } from './protocol/plugin.ts';
import { runPlugin } from './protocol/run.ts';
import { ptp } from './ptp/plugin.ts';
import { staticIpam } from './static/plugin.ts';
import { vxlanPlugin } from './vxlan/plugin.ts';

/** It wires its pods by bridge, which it is given and does not import. */
const vxlan = vxlanPlugin(bridge);

const plugins: ReadonlyMap<string, Plugin> = new Map(
  [bridge, hostLocal, ipvlan, loopback, macvlan, portmap, ptp, staticIpam, vxlan].map((plugin) => [
    plugin.type,
    plugin,
  ]),
);

/** Those that give addresses; a plugin that wires a pod is never another one's IPAM. */
const ipamPlugins: ReadonlyMap<string, Plugin> = new Map(
  [hostLocal, staticIpam].map((plugin) => [plugin.type, plugin]),
);

/** The names the executable answers to as a plugin. */
export const PLUGIN_TYPES: readonly string[] = [...plugins.keys()];

/** A configuration is a few kilobytes; what is longer is not one. */
const STDIN_BYTES_MAX = 16 << 20;
/** What a pipe holds. */
const STDIN_CHUNK_BYTES = 64 << 10;

/**
 * Acts as the plugin of the name `type` on this process's environment, stdin and stdout, and ends the
 * process. Gives false when there is no such plugin.
 */
export function runAsPlugin(type: string): boolean {
  const plugin = plugins.get(type);
  if (plugin === undefined) return false;
  const status = runPlugin(plugin, {
    env: process.env,
    readStdin,
    writeStdout: (text) => writeAll(1, text),
    writeStderr: (text) => writeAll(2, text),
    inProcess: ipamPlugins,
  });
  exitNow(status);
  return true;
}

function readStdin(): string {
  const chunks: Uint8Array[] = [];
  for (let total = 0; total <= STDIN_BYTES_MAX; ) {
    const chunk = new Uint8Array(STDIN_CHUNK_BYTES);
    const length = readSync(0, chunk);
    if (length === 0) return Buffer.concat(chunks).toString('utf8');
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  throw new Error(`expected at most ${STDIN_BYTES_MAX} bytes`);
}

/** Writes synchronously, for the process ends right after; a pipe may take it in parts. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
