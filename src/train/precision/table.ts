/** Schedules by name. */
import type { ScheduleName } from '../../recipe/precision-schedules';
import { cpt } from './cpt';
import { mask } from './mask';
import { pfq } from './pfq';
import type { Schedule } from './schedule';

const TABLE: Record<ScheduleName, Schedule> = { static: (_, { top }) => top, cpt, pfq, mask };

export const scheduleNamed = (name: ScheduleName): Schedule => TABLE[name];
