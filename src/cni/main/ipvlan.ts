import { runAsPlugin } from '../executable.ts';
import { ipvlan } from '../ipvlan/plugin.ts';

runAsPlugin(ipvlan);
