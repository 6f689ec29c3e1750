import { createServer } from 'node:http';

/** The web server of a pod: answers every request with the pod's name. Never resolves. */
export async function serve(name: string, port: number): Promise<never> {
  const server = createServer((_, response) => {
    // A new connection for each request, so that each may reach another backend.
    response.writeHead(200, { connection: 'close' });
    response.end(`${name}\n`);
  });
  const { promise, reject } = Promise.withResolvers<never>();
  server.on('error', reject);
  server.listen({ host: '::', port });
  return promise;
}
