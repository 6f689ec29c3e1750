import type { TableSource } from '../table/table.ts';
import type { AnswererOptions } from './answer.ts';

/** Index into the control memory: not 0 when workers are to end. */
export const CONTROL_STOP = 0;
export const CONTROL_BYTES = 4;

/** What a worker is started with. */
export interface WorkerStart {
  /** Its number among the readers of the table. */
  readonly reader: number;
  /** The socket, which is the main thread's and stays open until the worker has ended. */
  readonly fd: number;
  readonly isV4: boolean;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly table: TableSource;
  readonly answerer: AnswererOptions;
  /** Ranges of an Acl; without them everybody may ask. */
  readonly allow: Uint32Array | undefined;
  /** Memory of the queue to the main thread; without it nobody else answers. */
  readonly handover: SharedArrayBuffer | undefined;
  /** Whether every query is for the main thread. */
  readonly handsOverAll: boolean;
  /** Memory of answers shared by all threads. */
  readonly sharedAnswers: SharedArrayBuffer | undefined;
}

/** What a worker says. */
export type WorkerMessage = 'serving' | 'handed-over';
