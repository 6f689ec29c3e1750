/* What host and guest say to each other, one frame each, over a virtio-serial port. */

/** The name of the port in /sys/class/virtio-ports. */
export const PORT_NAME = 'podwire.agent';

/** How a program is started in the guest. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** `ipc`: Node with a message channel; `console`: the guest's console is its terminal. */
  readonly stdio: 'pipe' | 'ipc' | 'console';
}

export type ToGuest =
  | { readonly type: 'start'; readonly id: number; readonly command: Command }
  | { readonly type: 'message'; readonly id: number; readonly data: unknown }
  /** Input for the program; none ends it. */
  | { readonly type: 'input'; readonly id: number; readonly bytes?: Uint8Array }
  | { readonly type: 'kill'; readonly id: number; readonly signal: NodeJS.Signals };

export type FromGuest =
  | { readonly type: 'ready' }
  | { readonly type: 'message'; readonly id: number; readonly data: unknown }
  | {
      readonly type: 'output';
      readonly id: number;
      readonly stream: 'stdout' | 'stderr';
      readonly bytes: Uint8Array;
    }
  /** The program has ended and all its output was sent; without code and signal it never started. */
  | {
      readonly type: 'exit';
      readonly id: number;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      readonly error?: string;
    };
