import { request } from 'node:http';
import DNS from 'dns2';
import { pause } from './processes.ts';

const TIMEOUT_MS = 2_000;
const POLL_MS = 10;

/** Fetches `url` and gives the body; each call is a connection of its own. */
export async function fetchOnce(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request(url, { agent: false, timeout: TIMEOUT_MS }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => resolve(body.trim()));
  });
  asked.on('timeout', () => asked.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
  asked.on('error', reject);
  asked.end();
  return await promise;
}

/** Asks a DNS server and gives the data of the answers, sorted. */
export async function resolveName(
  server: string,
  name: string,
  type: 'A' | 'AAAA' | 'SRV' | 'PTR',
  overTcp: boolean,
): Promise<string[]> {
  const ask = overTcp
    ? DNS.TCPClient({ dns: server })
    : DNS.UDPClient({ dns: server, timeout: TIMEOUT_MS });
  const { answers } = await ask(name, type);
  return answers.map(dataOf).sort();
}

/** The data of an answer: `port target` of SRV, the name of PTR, else the address. */
function dataOf(answer: DNS.Packet['answers'][number]): string {
  if (typeof answer.target === 'string') return `${answer.port} ${answer.target}`;
  return answer.address ?? answer.domain ?? '';
}

/** Waits until the name has the address and something answers there. */
export async function waitForEdit(server: string, name: string, address: string): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    try {
      const found = await resolveName(server, name, 'A', false);
      if (found.includes(address)) {
        await fetchOnce(`http://${address}/`);
        return;
      }
    } catch {
      // Not yet: the old address is gone or the new one is not there.
    }
    if (performance.now() > deadline) throw new Error(`${name} is not ${address} yet`);
    await pause(POLL_MS);
  }
}
