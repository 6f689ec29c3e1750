import type { AnswererOptions } from './answer.ts';
import type { RoutesSource } from './routes.ts';

/** What the one word of control memory says to a worker. */
export const CONTROL = {
  /** Get ready and wait. */
  WAIT: 0,
  SERVE: 1,
  /** Answer what was accepted, and end. */
  STOP: 2,
  /** End without having served. */
  DISCARD: 3,
} as const;
export const CONTROL_BYTES = 4;

/** What a worker is started with. */
export interface WorkerStart {
  /** Its number among the readers of tables. */
  readonly reader: number;
  /** The socket, which is the main thread's and stays open until the worker has ended. */
  readonly fd: number;
  readonly isV4: boolean;
  readonly control: SharedArrayBuffer;
  /** One for each route, and one for what takes none. */
  readonly counters: readonly SharedArrayBuffer[];
  readonly routes: RoutesSource;
  readonly answerer: AnswererOptions;
  /** Ranges of an Acl; without them everybody may ask. */
  readonly allow: Uint32Array | undefined;
  /** Memory of the queue to the main thread; without it nobody else answers. */
  readonly handover: SharedArrayBuffer | undefined;
  /** Memory of answers shared by all threads. */
  readonly sharedAnswers: SharedArrayBuffer | undefined;
}

/** What a worker says: that it could serve at once, and that there is something in its queue. */
export type WorkerMessage = 'ready' | 'handed-over';
