import { readFileSync, writeSync } from 'node:fs';
import { bridge } from './bridge/plugin.ts';
import { hostLocal } from './host-local-ipam/plugin.ts';
import { ipvlan } from './ipvlan/plugin.ts';
import { loopback } from './loopback/plugin.ts';
import { macvlan } from './macvlan/plugin.ts';
import { portmap } from './portmap/plugin.ts';
import type { Plugin } from './protocol/plugin.ts';
import { runPlugin } from './protocol/run.ts';

const plugins: ReadonlyMap<string, Plugin> = new Map(
  [bridge, hostLocal, ipvlan, loopback, macvlan, portmap].map((plugin) => [plugin.type, plugin]),
);

/** The names the executable answers to as a plugin. */
export const PLUGIN_TYPES: readonly string[] = [...plugins.keys()];

/** A configuration is a few kilobytes; what is longer is not one. */
const STDIN_BYTES_MAX = 16 << 20;

/**
 * Acts as the plugin of the name `type` on this process's environment, stdin and stdout. Gives
 * false when there is no such plugin.
 */
export function runAsPlugin(type: string): boolean {
  const plugin = plugins.get(type);
  if (plugin === undefined) return false;
  process.exitCode = runPlugin(plugin, {
    env: process.env,
    readStdin() {
      const text = readFileSync(0, 'utf8');
      if (text.length > STDIN_BYTES_MAX) throw new Error(`over ${STDIN_BYTES_MAX} bytes`);
      return text;
    },
    writeStdout: (text) => writeAll(1, text),
    writeStderr: (text) => writeAll(2, text),
    inProcess: plugins,
  });
  return true;
}

/** Writes synchronously, for the process ends right after; a pipe may take it in parts. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
