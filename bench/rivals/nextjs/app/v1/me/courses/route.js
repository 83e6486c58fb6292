import { answerSender } from '../../../../answer.mjs';
import { prepared } from '../../../../../store.mjs';

export const dynamic = 'force-dynamic';
const myCourses = prepared('my_courses');

export const GET = (request, context) => answerSender(request, myCourses, context);
