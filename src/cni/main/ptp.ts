import { runAsPlugin } from '../executable.ts';
import { ptp } from '../ptp/plugin.ts';

runAsPlugin(ptp);
