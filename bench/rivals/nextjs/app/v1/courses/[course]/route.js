import { answerSender } from '../../../../answer.mjs';
import { prepared } from '../../../../../store.mjs';

export const dynamic = 'force-dynamic';
const player = prepared('player');

export const GET = (request, context) => answerSender(request, player, context);
