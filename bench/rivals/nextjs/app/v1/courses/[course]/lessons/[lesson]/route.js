import { answerSender } from '../../../../../../answer.mjs';
import { prepared } from '../../../../../../../store.mjs';

export const dynamic = 'force-dynamic';
const lesson = prepared('lesson');

export const GET = (request, context) => answerSender(request, lesson, context, { anybody: true });
