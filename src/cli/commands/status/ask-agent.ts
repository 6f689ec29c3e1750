import { request } from 'node:http';

const TIMEOUT_MS = 5_000;
/** The longest status there can be is a fraction of that. */
const ANSWER_BYTES_MAX = 16 << 20;
const EXIT_NOT_RUNNING = 3;

/** No agent is there to be asked; the exit status is that of `systemctl status` then. */
export class NotRunningError extends Error {
  readonly exitStatus = EXIT_NOT_RUNNING;
}

/**
 * Asks the agent at a Unix socket for what it has at a path. Rejects with NotRunningError when none
 * is there, and otherwise with an Error that says what is wrong.
 */
export async function askAgent(socket: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const asked = request({ socketPath: socket, path, agent: false, signal }, (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > ANSWER_BYTES_MAX) asked.destroy(new Error(`more than ${ANSWER_BYTES_MAX} bytes`));
    });
    response.on('error', reject);
    response.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      if (response.statusCode === 200) resolve(body);
      else reject(new Error(`the agent answers ${response.statusCode}: ${body.trim()}`));
    });
  });
  asked.on('error', (error: NodeJS.ErrnoException) => reject(asFailure(error, socket)));
  asked.end();
  return promise;
}

function asFailure({ code = '', message }: NodeJS.ErrnoException, socket: string): Error {
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new NotRunningError(
      `no agent runs at ${socket} (${code}): expected "podwire agent", or --socket with what its --admin-socket says`,
    );
  }
  const reasons: Readonly<Record<string, string>> = {
    EACCES: `${socket} is for root alone: expected to be root (EACCES)`,
    ABORT_ERR: `the agent at ${socket} did not answer within ${TIMEOUT_MS} ms`,
    ECONNRESET: `the agent at ${socket} ended the connection: it answers root alone`,
    EPIPE: `the agent at ${socket} ended the connection: it answers root alone`,
  };
  return new Error(reasons[code] ?? `${socket}: ${message}`);
}
