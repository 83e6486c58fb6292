import { answerSender } from '../../../../../../answer.mjs';
import { prepared } from '../../../../../../../store.mjs';

export const dynamic = 'force-dynamic';
const complete = prepared('complete');
const uncomplete = prepared('uncomplete');

export const PUT = (request, context) => answerSender(request, complete, context);
export const DELETE = (request, context) => answerSender(request, uncomplete, context);
