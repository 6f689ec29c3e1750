import type { IncomingMessage } from 'node:http';
import { json } from '../admin/routes.ts';
import type { Answer, Route, Routes } from '../http.ts';
import type { Monitor } from '../status/monitor.ts';
import { CONTENT_SECURITY_POLICY, STATUS_PAGE } from './page.ts';

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
};

/** The status page and what it asks for. Answered on this machine alone, wherever the server listens. */
export function statusPageRoutes(monitor: Monitor): Routes {
  const local = (answer: () => Answer): Route => {
    return (_, request) => (isLocal(request) ? { ...answer(), headers: HEADERS } : NOT_HERE);
  };
  return {
    '/status': local(() => ({ status: 200, body: STATUS_PAGE, type: 'text/html; charset=utf-8' })),
    '/status.json': local(() => json(200, monitor.status())),
    '/status/history.json': local(() => json(200, monitor.history)),
  };
}

const NOT_HERE: Answer = {
  status: 403,
  body: 'answered on this node alone, at a loopback address: ssh -L 10249:127.0.0.1:10249 NODE\n',
};

/**
 * Whether it was asked from this machine and for it: a page of another site that has its name lead to
 * 127.0.0.1 still asks for its own name.
 */
export function isLocal({
  socket: { remoteAddress = '' },
  headers: { host = '' },
}: Pick<IncomingMessage, 'headers'> & {
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress'>;
}): boolean {
  const isNear = /^(::ffff:)?127\.|^::1$/.test(remoteAddress);
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return isNear && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(name);
}
