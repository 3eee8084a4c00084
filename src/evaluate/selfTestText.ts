/**
 * The text that self-tests run on: plain English of several kinds, one string a document. Written for this purpose; changing a
 * word changes every self-test's figures.
 */
export const SELF_TEST_TEXT: readonly string[] = [
  `The ferry was late, and nobody on the pier knew why. A woman with two suitcases asked the man in the ticket window, who said that the fog had held the boat at the island since six in the morning. She thanked him, sat down on the larger suitcase, and took a sandwich out of her coat.

"You will miss your train," said an old man beside her. He was holding a dog that looked as old as he did.

"There is another one at nine," she said. "And one at eleven, if I remember the timetable. I have nothing to do in the city before tomorrow."

The old man nodded. He had come every day for a month, he told her, because his son had promised to visit and had not said when. It was not a sad story, he added quickly; his son worked on a fishing boat and did not know himself. The dog liked the walk. By the time the ferry's horn sounded out of the grey, they had talked about the price of rope, the winter of the great ice, and whether a dog can tell one day of the week from another.

When the passengers came down the ramp, the old man stood up, looked at each face, and sat down again. "Tomorrow," he said to the dog. The woman carried her suitcases on board. From the rail she saw the two of them walk back along the wall, slowly, the dog a little ahead, until the fog closed behind them.`,

  `The town council voted on Tuesday to repair the stone bridge over the Larch instead of replacing it, ending a dispute that has lasted almost four years. Seven of the nine members were in favour. Work is to begin in April, when the water is low, and should be finished before the first frost.

Engineers who examined the bridge last summer found that two of its five arches had moved by as much as eleven centimetres since it was built in 1788. They blamed heavy lorries, which have used the crossing since the motorway was closed for widening, and a series of floods. A new bridge of concrete and steel would have cost about 14 million, the report said; repairs are estimated at 9.5 million, of which the state will pay a third.

"It is not only a matter of money," said Hanna Orlov, who has led the campaign to keep the old structure. "People have met each other on that bridge for ten generations." Opponents fear that the repair will cost more than planned. "We have bought time, not a bridge," said Peter Lindqvist, one of the two who voted against it.

Until the autumn, cars will be sent through Upper Haverley. Pedestrians and cyclists can cross on a temporary walkway, which is to open in the second week of March.`,

  `Why is the sky dark at night? The question sounds foolish until one tries to answer it. If space went on for ever in all directions, and stars were spread evenly through it, then every line of sight would sooner or later end on the surface of a star. The whole sky would shine as brightly as the sun. It does not, so at least one of the assumptions must be wrong.

Dust between the stars does not help. It would hide the light at first, but it would also be warmed by it, and in the end it would glow as brightly as the stars behind it. The better explanation is that the universe has not been there for ever. Light travels fast, but not infinitely fast, and from very distant stars it has not had time to arrive. We look outwards and backwards at once, and beyond a certain distance there was nothing yet that could shine.

There is a second reason. Space itself is expanding, so light that has been on its way for a long time is stretched. What set out as visible light reaches us as infrared or as microwaves, which our eyes cannot see. In that sense the night sky is not dark at all: it is filled with a faint and very even glow, left over from a time when the universe was hot.`,

  `To make a simple loaf you need 500 grams of flour, 350 grams of water, 10 grams of salt and a very small amount of yeast.

1. Mix the flour and the water with a spoon and leave them alone for half an hour.
2. Add the salt and the yeast. Knead the dough for eight minutes, or until it no longer sticks to the table.
3. Put it in a bowl, cover the bowl with a cloth, and wait until the dough has doubled. In a warm kitchen this takes about two hours; in a cold one it may take five.
4. Fold the dough over itself four times, shape it into a ball, and let it rest for another forty minutes.
5. Heat the oven to 240 degrees with an iron pot inside. Drop the dough into the pot, close the lid, and bake it for thirty minutes.
6. Take off the lid and bake for fifteen minutes more, until the crust is dark brown.

Do not cut the bread while it is hot. The inside is still cooking, and the crumb will be gummy if the steam escapes too early. If the loaf is flat, the dough was too wet or had waited too long; if it is dense, it had not waited long enough. Write down what you did, change one thing at a time, and bake again the next day.`,

  `"Is this seat taken?"

"No. Well, my hat is in it. There, now it is free."

"Thank you. Are you going as far as Brandt?"

"Further. I get off at the lake, where the line ends. My sister keeps bees there. And you?"

"I have an interview. It is for a school, a small one, only three classes. They want somebody who can teach mathematics and also play the piano, which is an odd mixture, I suppose, but it happens to be mine."

"It is not so odd. My own teacher used to say that both are ways of counting without noticing. Are you nervous?"

"A little. I did not sleep. I kept thinking of questions they might ask, and then of better answers, and then of worse questions."

"What is the worst one?"

"Why I left the last place."

"And why did you?"

"They sold the piano."

The other man laughed so loudly that a child across the aisle woke up and stared at him. "Tell them that," he said. "Tell them exactly that, and nothing else, and then ask to see theirs."`,

  `The function below finds the position of a value in a sorted list. It compares the value with the element in the middle, and then looks only at the half that can still contain it.

def find(values, wanted):
    low = 0
    high = len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    if low < len(values) and values[low] == wanted:
        return low
    return None

print(find([2, 3, 5, 7, 11, 13], 7))

For a list of a million elements it needs about twenty comparisons, because every step halves the number of places that are left. The same search through an unsorted list needs half a million on average. Note that the upper bound is one past the last element, so that an empty list needs no special case; and that the loop ends even if the value is not there, since the range shrinks in every step. Sorting the list first only pays if you search it many times.

Two mistakes are common. If you write "low = middle" instead of "low = middle + 1", the loop may never end. And if you compare with "<=" in the first test, the function returns the place after the value and not the value's own place.`,

  `My grandmother measured distance in cigarettes. The village was two cigarettes away, the station five, and the sea, which she had visited once, was so far that you would have to stop for tobacco on the way. She had given up smoking in the year my mother was born, but she kept the unit, as people keep a word from a language they no longer speak.

She lived in a house with one warm room. In winter everything happened there: she cooked, slept, mended clothes, received visitors and quarrelled with the radio. The other rooms were left to the cold and to the apples, which lay on newspaper in long rows and filled the house with their smell. We children were sent to turn them every week and to take out the bad ones. There were always more bad ones than we admitted, because the bad ones were ours to eat.

When she grew old, she moved into town, to a flat with a lift and heating in every room. She hated it for a year and then, quite suddenly, liked it. I asked her what had changed. "Nothing," she said. "I got tired of being cold in my memory." On the kitchen table lay three apples on a sheet of newspaper, and while we talked she reached over, without looking, and turned them.`,

  `The heart of an adult beats about seventy times a minute at rest and moves roughly five litres of blood in that time. It is a double pump. The right side receives blood from the body and sends it to the lungs, where it takes up oxygen and gives off carbon dioxide. The left side receives it from there and drives it through the rest of the body. Because the second path is much longer, the muscle of the left side is thicker.

Valves keep the blood from flowing backwards. They have no muscles of their own: they are opened and closed by the pressure of the blood itself, and the sound of the heart that a doctor listens to is mostly the sound of their closing. A valve that does not close well can often be heard as a soft murmur.

The rhythm comes from the heart and not from the brain. A small group of cells in the right atrium produces an electrical impulse at regular intervals, and this spreads through the muscle, first over the two atria and then, after a delay of about a tenth of a second, over the ventricles. Nerves and hormones can only make it faster or slower. That is why a heart that has been taken out of the body may go on beating for a while if it is supplied with oxygen.`,

  `Dear Ms. Okafor,

Thank you for your letter of 3 May about the flat in Mill Street. I am sorry to hear that the heating failed again during the holidays, and I understand that you do not want to pay the full rent for April.

I have spoken with the company that looks after the boiler. They found that a pump had been installed the wrong way round when it was replaced in January, which explains why the upper floors stayed cold. The repair was completed last Thursday. Please let me know if any of the radiators are still not warm in the evening.

For April I suggest that you pay two thirds of the rent. If you agree, you need not do anything: I will return the difference to your account before the end of the month. The deposit is not affected by this.

You also asked whether you may paint the kitchen. You may, as long as the colour is a light one and you leave the tiles as they are. The previous tenant left three tins of white paint in the cellar, on the shelf behind the bicycles; please use them if they are still good.

Yours sincerely,
Daniel Brandt`,

  `The city of Merrow was founded three times. The first settlement stood on the eastern bank of the river, where a ford made it possible to cross with carts in summer. It was burned in a war about which nothing else is known. A few generations later, merchants from the coast built a market on the hill above, with a wall and a well that was forty metres deep. They traded wool for salt, and salt for timber.

In 1361 the plague killed two thirds of the inhabitants within a single year. The survivors left the hill, which they thought was cursed, and moved back to the river. Because the old ford had been washed away, they built a bridge of oak, and the tolls from it made the third city rich. By 1500 it had a university, eleven churches and more printers than bakers.

Its decline was slow. When ships became larger, trade moved to harbours on the coast; when the railway came, it was laid through the next valley, where the ground was firmer. Today about thirty thousand people live in Merrow. Most of the old wall still stands, and in dry summers the outlines of the first settlement appear as pale lines in the barley fields on the other side of the river.`,

  `A market is a way of collecting information that nobody has as a whole. The farmer knows how many potatoes there are in his field, the cook knows how many of them he wants, and neither knows the other. The price is what passes between them. If the harvest is bad, the price rises, and the cook buys rice instead, although no one has told him about the rain in the north.

This works only under conditions. The buyers must be able to compare, and there must be more than one seller. The price has to contain all the costs: a factory that pours its waste into a river sells its goods too cheaply, because somebody downstream pays the rest. And it must be possible to say no. A person who needs medicine tonight is not comparing offers.

For these reasons almost no market is left entirely to itself. There are rules about weights and measures, about what may be put into food, about who has to pay when something goes wrong. People argue about whether there are too many of these rules or too few, and the argument is useful, because the answer is different for potatoes, for medicine and for the water in the river.`,

  `The owl had lived in the barn for longer than the farmer. It came out at dusk, flew once around the yard, and disappeared over the wet meadow, where the grass was full of mice. In the spring there were usually four young ones, and in good years five. The farmer's daughter counted them through a hole in the boards and wrote the number on the wall with a pencil, next to the date and the height of the river.

One evening in March it did not come. The girl waited until it was too dark to see, then went in and said nothing. The next evening she waited again. On the third day she climbed up the ladder, although it was forbidden, and found the nest empty and a single feather, brown and gold with a white edge. She put it into her book about the stars.

In the first warm night of April something screamed above the house, harsh and long, and everybody woke. Her father went to the window in his shirt. On the ridge of the barn sat the owl, and beside it, a little smaller and much paler, sat another. "Well," said her father, "it only went to find company." The girl took her pencil. That year there were six.`,

  `Some advice for people who walk in the mountains for the first time. Start early, because storms tend to form in the afternoon. Tell somebody where you are going and when you expect to be back. Carry more water than you think you need, a warm layer even in July, a map on paper, and a small lamp. Good shoes matter more than any other piece of equipment; new ones should be worn for a week before the tour.

Plan with time and not with distance. On a path that climbs steadily, most people gain about 300 metres of height in an hour, and half of that on rough ground. Add a third for rests. If you have not reached the halfway point by noon, turn round. The summit will still be there next year.

Watch the weather as you walk. Clouds that grow upwards like towers, a sudden cold wind, or a humming sound from metal objects mean that you should leave ridges and single trees at once. If you lose the path, go back to the last mark instead of looking for a shortcut. Most accidents happen on the way down, in the last two hours, when people are tired and have stopped paying attention.`,

  `Question: A train leaves the station at 8:15 and travels at 90 kilometres an hour. A second train leaves the same station on the same line at 8:45 and travels at 120 kilometres an hour. When does the second train catch up with the first?

Answer: At 8:45 the first train has been travelling for half an hour, so it is 45 kilometres ahead. The second train gains 30 kilometres every hour. It therefore needs 45 / 30 = 1.5 hours to catch up, and does so at 10:15. By then it has travelled 180 kilometres. As a check, the first train has been on its way for two hours, and 2 x 90 = 180.

Question: A bag holds 4 red, 5 blue and 3 green balls. Two are taken out without looking. What is the probability that they have the same colour?

Answer: There are 12 balls, so there are 12 x 11 / 2 = 66 pairs. Of these, 6 are red, 10 are blue and 3 are green, which makes 19. The probability is 19/66, or a little less than 29 percent.

Question: Is every number that ends in 7 a prime number?

Answer: No. The number 27 is 3 times 9, and 57 is 3 times 19. A number's last digit only tells whether it is divisible by 2, by 5 or by 10.`,

  `The museum closes at five, but the guards begin to walk more slowly at half past four. They do not say anything. They only stand a little nearer than before, with their hands behind their backs, and look at the same picture as you, so that you feel you have been at it for too long.

I worked there for two summers. The rooms on the ground floor held the old masters, saints and generals and bowls of fruit, and most visitors went there first and stayed. I was sent upstairs, to the room with the large grey painting. It had no frame and no title. People came in, turned once on their heels, and left; it took them eleven seconds on average, for I had nothing else to do than to count.

By August I had begun to see that it was not grey. There was a green in it, and under the green a very dark red, and in the lower corner, where the light from the window fell in the late afternoon, a line that somebody had drawn with a finger while the paint was wet. I never told anybody. On my last day a boy of about ten came in with his class, stopped in front of it, and stayed when the others went on. "There is a line," he said. I told him that the museum would close in half an hour, and that he had plenty of time.`,

  `Water is one of the few substances that are lighter as a solid than as a liquid. When it freezes, its molecules arrange themselves in a wide, six-sided lattice that takes up about nine percent more space. This is why ice floats, why pipes burst in winter, and why lakes freeze from the top and not from the bottom.

The consequences for living things are great. Under its cover of ice a lake stays at about four degrees, the temperature at which water is heaviest, and fish can survive there until spring. If ice sank, lakes would fill with it from below, and in many places they would never melt completely.

Water is unusual in other ways. It takes a great deal of heat to warm it, so that coasts have milder winters than places inland. It climbs up thin tubes against its own weight, and trees make use of this. It dissolves more substances than almost any other liquid, salt and sugar as well as gases, and carries them through soil, through plants and through blood. All of these properties have the same cause: the two hydrogen atoms sit on one side of the oxygen atom, so that each molecule has a positive and a negative end, and clings to its neighbours.`,
]
