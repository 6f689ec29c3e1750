import { readSync, writeSync } from 'node:fs';
import { exitNow } from '../sys/exit.ts';
import { hostLocal } from './host-local-ipam/plugin.ts';
import type { Plugin } from './protocol/plugin.ts';
import { runPlugin } from './protocol/run.ts';
import { staticIpam } from './static/plugin.ts';

/** Those that give addresses; a plugin that wires a pod is never another one's IPAM. */
const ipamPlugins: ReadonlyMap<string, Plugin> = new Map(
  [hostLocal, staticIpam].map((plugin) => [plugin.type, plugin]),
);

/** A configuration is a few kilobytes; what is longer is not one. */
const STDIN_BYTES_MAX = 16 << 20;
/** What a pipe holds. */
const STDIN_CHUNK_BYTES = 64 << 10;

/** Acts as the plugin on this process's environment, stdin and stdout, and ends the process. */
export function runAsPlugin(plugin: Plugin): void {
  const status = runPlugin(plugin, {
    env: process.env,
    readStdin,
    writeStdout: (text) => writeAll(1, text),
    writeStderr: (text) => writeAll(2, text),
    inProcess: ipamPlugins,
  });
  exitNow(status);
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
