import type { MessagePort } from 'node:worker_threads';

/** Index into the control memory: the number of the newest table. */
export const CONTROL_GENERATION = 0;
/** Index into the control memory: not 0 when workers are to end. */
export const CONTROL_STOP = 1;
export const CONTROL_BYTES = 8;

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** New tables come here, as `{generation, memory}`. */
  readonly tables: MessagePort;
}

/** What a worker says. */
export type WorkerMessage =
  | { readonly kind: 'listening'; readonly index: number; readonly port: number }
  | { readonly kind: 'using'; readonly index: number; readonly generation: number };
