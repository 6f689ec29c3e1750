import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import type { ServiceRoute } from '../../../src/proxy/model/route.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('proxy');

const route = (addr: string, port: number, endpoints: string[]): ServiceRoute => ({
  name: 'default/web',
  addr: parseAddr(addr),
  protocol: 'TCP',
  port,
  endpoints: endpoints.map((each) => ({ addr: parseAddr(each), port: 8080 })),
});

const web = route('10.96.0.20', 80, ['10.244.0.10', '10.244.0.11']);
const web6 = route('fd00:96::20', 80, ['fd00:244::10', 'fd00:244::11']);
const empty = route('10.96.0.30', 443, []);
const list = (family: string): string => fixture.exec('nft', 'list', 'table', family, 'podwire');
const ruleset = (): string => fixture.exec('nft', '-a', 'list', 'ruleset');

describe('NftablesBackend', () => {
  it('prints as typed maps', () => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync([web, web6, empty]);
    const seen = list('ip');
    // The order of elements is the hash table's; everything else is fixed.
    expect(seen.replace(/\n\t\telements = \{[^}]*\}/g, '')).toBe(`table ip podwire {
	comment "Services, by podwire"
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : classid
		comment "a Service: the number of its endpoints"
	}

	map pick-chains {
		type classid : verdict
		comment "a number of endpoints: the chain that picks one"
	}

	map endpoints {
		type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service
		comment "a Service and a slot: where to send"
	}

	set hairpin {
		type ipv4_addr . ipv4_addr
		comment "an endpoint that reached itself through a Service"
	}

	chain refuse {
		comment "Services without endpoints"
		reject comment "no endpoint is ready"
	}

	chain services {
		comment "finds the Service of a new connection"
		meta priority set ip daddr . meta l4proto . th dport map @service-ips meta priority vmap @pick-chains comment "number of endpoints, then its chain"
	}

	chain prerouting {
		comment "traffic of pods and from outside"
		type nat hook prerouting priority dstnat; policy accept;
		jump services comment "to the Services"
	}

	chain output {
		comment "traffic of the node itself"
		type nat hook output priority -100; policy accept;
		jump services comment "to the Services"
	}

	chain postrouting {
		comment "makes replies come back through this node where they would not"
		type nat hook postrouting priority srcnat; policy accept;
		ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random comment "a pod that reached itself"
	}

	chain pick-2 {
		comment "Services with 2 endpoints"
		dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints comment "a random slot"
	}
}
`);
    for (const element of [
      '10.96.0.20 . tcp . 80 : 0:2',
      '10.96.0.30 . tcp . 443 : none',
      '0:2 : goto pick-2',
      'none : goto refuse',
      '10.96.0.20 . tcp . 80 . 0x00000000 : 10.244.0.10 . 8080',
      '10.96.0.20 . tcp . 80 . 0x00000001 : 10.244.0.11 . 8080',
      '10.244.0.10 . 10.244.0.10',
    ]) {
      expect(seen).toContain(element);
    }
    expect(list('ip6')).toContain('fd00:96::20 . tcp . 80 . 0x00000001 : fd00:244::11 . 8080');
  });

  it('sends nothing when nothing changed, nor after a restart', () => {
    using backend = NftablesBackend.open(fixture.netns);
    expect(backend.sync([web, web6]).changes).toBeGreaterThan(0);
    const before = ruleset();
    expect(backend.sync([web, web6]).changes).toBe(0);
    using restarted = NftablesBackend.open(fixture.netns);
    expect(restarted.sync([web, web6]).changes).toBe(0);
    expect(ruleset()).toBe(before);
  });

  it('follows a change with the elements that differ', () => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync([web, empty]);
    backend.sync([route('10.96.0.20', 80, ['10.244.0.11', '10.244.0.12', '10.244.0.13'])]);
    const seen = list('ip');
    expect(seen).toContain('10.96.0.20 . tcp . 80 : 0:3');
    expect(seen).toContain('0x00000000 : 10.244.0.11 . 8080');
    expect(seen).not.toContain('10.244.0.10');
    expect(seen).not.toContain('10.96.0.30');
    expect(seen).not.toContain('pick-2');
    backend.sync([]);
    expect(list('ip')).not.toContain('10.96');
  });

  it.each([
    [
      'an element',
      ['delete', 'element', 'ip', 'podwire', 'service-ips', '{ 10.96.0.20 . tcp . 80 }'],
    ],
    ['the rules of a chain', ['flush', 'chain', 'ip', 'podwire', 'services']],
    ['a base chain', ['delete', 'chain', 'ip', 'podwire', 'prerouting']],
    ['a table', ['delete', 'table', 'ip6', 'podwire']],
    ['everything', ['flush', 'ruleset']],
    ['nothing, but puts a rule in', ['insert', 'rule', 'ip', 'podwire', 'services', 'accept']],
    ['nothing, but puts a set in', ['add', 'set', 'ip', 'podwire', 'x', '{ type mark; }']],
  ])('repairs the table after somebody deletes %s', (what, command) => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync([web, web6]);
    const before = fixture.exec('nft', 'list', 'ruleset');
    if (what === 'a base chain')
      fixture.exec('nft', 'flush', 'chain', 'ip', 'podwire', 'prerouting');
    fixture.exec('nft', ...command);
    expect(fixture.exec('nft', 'list', 'ruleset')).not.toBe(before);
    backend.invalidate();
    expect(backend.sync([web, web6]).changes).toBeGreaterThan(0);
    const lines = (text: string): string[] => text.split('\n').sort();
    expect(lines(fixture.exec('nft', 'list', 'ruleset'))).toEqual(lines(before));
  });

  it('removes what is ours and only that', () => {
    fixture.exec('nft', 'add', 'table', 'ip', 'theirs');
    fixture.exec('nft', 'add', 'table', 'inet', 'podwire');
    const before = ruleset();
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync([web, web6]);
    expect(backend.cleanup()).toEqual(['table ip podwire', 'table ip6 podwire']);
    expect(ruleset()).toBe(before);
    expect(backend.cleanup()).toEqual([]);
  });
});
