import { setTimeout as delay } from 'node:timers/promises';
import type { Message } from '../../../src/dns/message/message.ts';
import { RCODE } from '../../../src/dns/wire/constants.ts';
import { type Answer, ask, askTcp, decodeAnswer, encodeQuery, type Query } from '../dns/ask.ts';
import { type Asked, denial, records, ScriptedUpstream } from '../dns-forward/scripted-upstream.ts';

/*
 * A process inside the namespace of a test: it asks the agent, over DNS and HTTP, and is the upstream
 * the agent forwards to. The test tells it what to do, message by message.
 */

/** What an upstream says to a question. */
export interface Scripted {
  /** Lines of a zone file. */
  readonly records?: readonly string[];
  readonly rcode?: keyof typeof RCODE;
  /** By UDP the answer is empty and truncated. */
  readonly tc?: boolean;
  readonly delayMs?: number;
  /** Nothing. */
  readonly silent?: boolean;
}

/** Answers by `name type`, the name with its final dot; what is not there is NXDOMAIN. */
export type UpstreamScript = Readonly<Record<string, Scripted>>;

export type Order =
  | {
      readonly do: 'ask';
      readonly address: string;
      readonly port: number;
      readonly transport: 'udp' | 'tcp';
      readonly query: Query;
    }
  | {
      readonly do: 'pipeline';
      readonly address: string;
      readonly port: number;
      readonly queries: readonly Query[];
    }
  | { readonly do: 'get'; readonly url: string }
  | {
      readonly do: 'upstream';
      readonly port: number;
      readonly address: string;
      readonly script: UpstreamScript;
    }
  | {
      readonly do: 'askAll';
      readonly address: string;
      readonly port: number;
      readonly queries: readonly Query[];
    }
  | { readonly do: 'asked'; readonly port: number }
  | { readonly do: 'close'; readonly port: number };

export interface Got {
  readonly status: number;
  readonly text: string;
}

export type Result = Answer | readonly Answer[] | Got | readonly string[] | undefined;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  12: 'PTR',
  13: 'HINFO',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
};
/** Questions of `askAll` under way. */
const AT_ONCE = 32;
const upstreams = new Map<number, ScriptedUpstream>();
const scripts = new Map<number, UpstreamScript>();

function keyOf({ message }: Asked): string {
  const { name, type } = message.question;
  return `${name.toLowerCase()} ${TYPE_NAMES[type] ?? type}`;
}

async function say(port: number, asked: Asked): Promise<Partial<Message>> {
  const found = scripts.get(port)?.[keyOf(asked)];
  if (found === undefined) return denial(RCODE.NXDOMAIN, 30);
  if (found.delayMs !== undefined) await delay(found.delayMs);
  if (found.tc === true && asked.transport === 'udp') return { tc: true };
  return { ...records(...(found.records ?? [])), rcode: RCODE[found.rcode ?? 'NOERROR'] };
}

async function upstream(port: number, script: UpstreamScript, address: string): Promise<void> {
  scripts.set(port, script);
  if (upstreams.has(port)) return;
  const isSilent = (asked: Asked) => scripts.get(port)?.[keyOf(asked)]?.silent === true;
  upstreams.set(
    port,
    await ScriptedUpstream.start(
      (asked) => (isSilent(asked) ? undefined : say(port, asked)),
      port,
      address,
    ),
  );
}

/**
 * Asks by UDP, many at a time, and by TCP where the answer is truncated. What is not answered is asked
 * once more.
 */
async function askAll(
  queries: readonly Query[],
  port: number,
  address: string,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < queries.length; index = next++) {
      const query = queries[index] ?? { name: '' };
      const one = () => ask(port, 'udp', query, address);
      let answer = await one().catch(one);
      if (answer.tc) answer = await ask(port, 'tcp', query, address);
      answers[index] = { ...answer, bytes: new Uint8Array() };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return answers;
}

async function obey(order: Order): Promise<Result> {
  switch (order.do) {
    case 'ask':
      return await ask(order.port, order.transport, order.query, order.address);
    case 'pipeline': {
      const messages = order.queries.map(encodeQuery);
      const replies = await askTcp(order.port, messages, messages.length, order.address);
      return replies.map(decodeAnswer);
    }
    case 'askAll':
      return await askAll(order.queries, order.port, order.address);
    case 'get': {
      const response = await fetch(order.url);
      return { status: response.status, text: await response.text() };
    }
    case 'upstream':
      await upstream(order.port, order.script, order.address);
      return undefined;
    case 'asked':
      return upstreams.get(order.port)?.asked.map(keyOf) ?? [];
    case 'close':
      await upstreams.get(order.port)?.[Symbol.asyncDispose]();
      upstreams.delete(order.port);
      return undefined;
  }
}

process.on('message', ({ id, order }: { readonly id: number; readonly order: Order }) => {
  obey(order).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, result: undefined });
