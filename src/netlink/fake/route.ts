import { FakeAddrs } from './addrs.ts';
import { type FakeEvent, type ObjectMessage, Refusal } from './answer.ts';
import { FakeLinks } from './links.ts';
import type { FakeRequest } from './request.ts';
import { FakeRoutes } from './routes.ts';

/* linux/rtnetlink.h */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const EOPNOTSUPP = 95;

/** NETLINK_ROUTE of a fake kernel: what one object's change means for the others. */
export class FakeRoute {
  readonly #links = new FakeLinks();
  readonly #addrs = new FakeAddrs(this.#links);
  readonly #routes = new FakeRoutes(this.#links);

  isGet(type: number): boolean {
    return (type & 3) === 2;
  }

  get(request: FakeRequest): ObjectMessage[] {
    if (request.type === RTM_GETLINK) return this.#links.get(request);
    if (request.type === RTM_GETADDR) return this.#addrs.get(request);
    if (request.type === RTM_GETROUTE) return this.#routes.get(request);
    throw new Refusal(EOPNOTSUPP);
  }

  change(request: FakeRequest): FakeEvent[] {
    switch (request.type) {
      case RTM_NEWLINK:
        return this.#linkAdd(request);
      case RTM_DELLINK: {
        const { indexes, events } = this.#links.remove(request);
        const gone = indexes.flatMap((index) => [
          ...this.#routes.forget(index),
          ...this.#addrs.forget(index),
        ]);
        return [...gone, ...events];
      }
      case RTM_NEWADDR: {
        const { addr, events } = this.#addrs.add(request);
        return [...events, ...this.#routes.connect(addr)];
      }
      case RTM_DELADDR: {
        const { addr, events } = this.#addrs.remove(request);
        return [...this.#routes.disconnect(addr), ...events];
      }
      case RTM_NEWROUTE:
        return this.#routes.add(request);
      case RTM_DELROUTE:
        return this.#routes.remove(request);
      default:
        throw new Refusal(EOPNOTSUPP);
    }
  }

  /** Routes come when a link is set up, and go when it is set down. */
  #linkAdd(request: FakeRequest): FakeEvent[] {
    const events = this.#links.add(request);
    const routes = events.flatMap(({ payload }) => {
      const index = new DataView(payload.buffer, payload.byteOffset).getInt32(4, true);
      return this.#links.isUp(index)
        ? this.#addrs.ofLink(index).flatMap((addr) => this.#routes.connect(addr))
        : this.#routes.forget(index);
    });
    return [...events, ...routes];
  }
}
