import { setTimeout as delay } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { ADMIN_SOCKET } from '../../../agent/admin/place.ts';
import type { AgentStatus } from '../../../agent/status/status.ts';
import { formatJson, type OutputFormat, outputOption } from '../../output.ts';
import { askAgent } from './ask-agent.ts';
import { formatLine, formatStatus } from './print.ts';
import { Screen } from './screen.ts';

interface Args {
  socket: string;
  output: OutputFormat;
  watch: boolean;
  interval: number;
}

const INTERVAL_SECONDS_MIN = 0.1;
const INTERVAL_SECONDS_MAX = 3_600;

/** `podwire status` */
export const statusCommand: CommandModule<object, Args> = {
  command: 'status',
  describe: 'how the agent of this node is doing',
  builder: (yargs) =>
    yargs
      .option('output', outputOption)
      .option('watch', {
        alias: 'w',
        type: 'boolean',
        default: false,
        describe: 'show it again and again: on a terminal in place, else a line each time',
      })
      .option('interval', {
        type: 'number',
        default: 1,
        describe: 'seconds between two looks of --watch',
      })
      .option('socket', {
        type: 'string',
        default: ADMIN_SOCKET,
        describe: "the agent's --admin-socket",
      })
      .check(({ interval }) => {
        if (interval >= INTERVAL_SECONDS_MIN && interval <= INTERVAL_SECONDS_MAX) return true;
        throw new Error(
          `--interval: expected seconds from ${INTERVAL_SECONDS_MIN} to ${INTERVAL_SECONDS_MAX}, got ${interval}`,
        );
      })
      .epilogue('The exit status is 3 when no agent runs. Who is not root is not answered.'),
  handler: async ({ socket, output, watch, interval }) => {
    if (watch) return follow(socket, output, interval * 1000);
    const status = await look(socket);
    process.stdout.write(output === 'json' ? formatJson(status) : formatStatus(status));
  },
};

async function look(socket: string): Promise<AgentStatus> {
  return JSON.parse(await askAgent(socket, '/status')) as AgentStatus;
}

/** Shows the status until Ctrl-C. An agent that is away is waited for. */
async function follow(socket: string, output: OutputFormat, intervalMs: number): Promise<void> {
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ended.abort());
  }
  const isScreen = process.stdout.isTTY && output === 'table';
  using screen = isScreen ? new Screen(process.stdout) : undefined;
  let shown = '';
  const draw = (): void => screen?.draw(shown);
  process.stdout.on('resize', draw);
  while (!ended.signal.aborted) {
    try {
      const status = await look(socket);
      if (output === 'json') shown = `${JSON.stringify(status)}\n`;
      else shown = isScreen ? formatStatus(status) : formatLine(status);
    } catch (error) {
      const { message } = error as Error;
      shown = output === 'json' ? `${JSON.stringify({ error: message })}\n` : `${message}\n`;
    }
    if (ended.signal.aborted) break;
    if (isScreen) draw();
    else process.stdout.write(shown);
    await delay(intervalMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  process.stdout.off('resize', draw);
}
